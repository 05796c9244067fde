-- one row per invoice of a subscription whose creation was not seen: which discounts it shows, and until when it was paid
{{ config(
    materialized='incremental',
    incremental_strategy='replace_touched',
    unique_key='subscription_id',
    touched_by='int_subscription_loads',
) }}
with touched as (
    {{ touched(ref('int_subscription_loads')) }}
),

states as (
    select states.*
    from {{ ref('int_subscription_states') }} as states
    inner join touched
        on states.object_id = touched.subscription_id
),

invoices as (
    select
        invoices.*,
        touched.load_id as newest_load_id
    from {{ ref('int_stripe_invoices') }} as invoices
    inner join touched
        on invoices.subscription_id = touched.subscription_id
    where invoices.finalized_at is not null
),

invoice_lines as (
    select * from {{ ref('int_stripe_invoice_lines') }}
),

-- with its creation known, events tell all there is to know
unseen as (
    select
        object_id as subscription_id,
        min(known_at) as first_seen_at
    from states
    group by object_id
    having max(case when event_type = 'customer.subscription.created' then 1 else 0 end) = 0
),

early_invoices as (
    select
        invoices.object_id as invoice_id,
        invoices.subscription_id,
        invoices.status,
        invoices.created_at,
        invoices.newest_load_id,
        -- an event's snapshot has only the ids of discounts
        coalesce(invoices.record_discounts_json, invoices.discounts_json) as discounts_json
    from invoices
    inner join unseen
        on invoices.subscription_id = unseen.subscription_id and invoices.created_at < unseen.first_seen_at
),

discount_elements as (
    {{ each_element('early_invoices', ['invoice_id', 'subscription_id'], 'discounts_json') }}
),

whole_discounts as (
    select
        invoice_id,
        subscription_id,
        position,
        case when left(element, 1) = '{' then element end as discount_json
    from discount_elements
),

termed_discounts as (
    select
        invoice_id,
        subscription_id,
        position,
        {{ text_at('discount_json', 'id') }} as discount_id,
        {{ id_at('discount_json', 'subscription') }} as discounted_id,
        coalesce(
            {{ text_at('discount_json', 'source.coupon.duration') }}, {{ text_at('discount_json', 'coupon.duration') }}
        ) as duration
    from whole_discounts
),

-- the customer's own discount stands there too; one for a single invoice never lowers MRR
own_discounts as (
    select
        invoice_id,
        {{ joined_text("'\"' || discount_id || '\"'", ',', 'position') }} as discount_ids
    from termed_discounts
    where discounted_id = subscription_id and duration <> 'once'
    group by invoice_id
),

-- neither the discount's holder nor its coupon is known by an id alone
bare_discounts as (
    select
        invoice_id,
        count(*) as bare_ids
    from termed_discounts
    where duration is null
    group by invoice_id
),

line_ends as (
    select
        invoice_lines.invoice_id,
        max(invoice_lines.period_end_at) as period_end_at
    from invoice_lines
    inner join early_invoices
        on invoice_lines.invoice_id = early_invoices.invoice_id
    group by invoice_lines.invoice_id
),

final as (
    select
        early_invoices.invoice_id,
        early_invoices.subscription_id,
        early_invoices.created_at as seen_at,
        -- NULL where it can't be said whose the discounts are
        case when bare_discounts.bare_ids is null then '[' || coalesce(own_discounts.discount_ids, '') || ']' end as discounts_json,
        case when early_invoices.status = 'paid' then line_ends.period_end_at end as paid_until,
        early_invoices.newest_load_id as load_id
    from early_invoices
    left join own_discounts
        on early_invoices.invoice_id = own_discounts.invoice_id
    left join bare_discounts
        on early_invoices.invoice_id = bare_discounts.invoice_id
    left join line_ends
        on early_invoices.invoice_id = line_ends.invoice_id
)

select * from final
