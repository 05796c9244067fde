-- one row per subscription: the newest load that told anything about it, or about an invoice of it
{% set item_columns = stripe_invoice_item('fields') %}
with states as (
    select * from {{ ref('int_subscription_states') }}
),

invoices as (
    select * from {{ ref('int_stripe_invoices') }}
    where subscription_id is not null
),

looks as (
    select * from {{ ref('int_stripe_object_looks') }}
    where object_type = 'invoiceitem'
),

schedules as (
    select * from {{ ref('stg_stripe__subscription_schedules') }}
    where subscription_id is not null
),

opened_items as (
    select
        load_id,
        {{ opened('raw_json', item_columns) }}
    from looks
),

items as (
    select
        load_id,
        {{- item_columns }}
    from opened_items
),

mentions as (
    select
        object_id as subscription_id,
        load_id
    from states
    union all
    select
        subscription_id,
        load_id
    from invoices
    union all
    select
        subscription_id,
        load_id
    from items
    where subscription_id is not null
    union all
    select
        subscription_id,
        load_id
    from schedules
),

final as (
    select
        subscription_id,
        max(load_id) as load_id
    from mentions
    group by subscription_id
)

select * from final
