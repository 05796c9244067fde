-- one row per Stripe customer: the customer_id that it stands for everywhere (the product's account, else its Stripe id)
{% set columns = stripe_head('fields') ~ ',' ~ stripe_customer('fields') %}
with objects as (
    select * from {{ ref('int_stripe_objects') }}
    where object_type in ('customer', 'credit_note')
),

invoices as (
    select * from {{ ref('int_stripe_invoices') }}
),

charges as (
    select * from {{ ref('int_stripe_charges') }}
),

subscription_states as (
    select * from {{ ref('int_subscription_states') }}
    where origin = 'record'
),

opened as (
    select
        is_deleted,
        deleted_at,
        {{ opened('raw_json', columns) }}
    from objects
    where object_type = 'customer'
),

customers as (
    select
        is_deleted,
        deleted_at,
        {{- columns }}
    from opened
),

-- Stripe's list leaves out who was deleted; what was sold to them stays, and names them
mentions as (
    {%- for relation in ['invoices', 'charges', 'subscription_states'] %}
    select
        stripe_customer_id,
        currency,
        created_at
    from {{ relation }}
    union all
    {%- endfor %}
    select
        {{ id_at('raw_json', 'customer') }} as stripe_customer_id,
        upper({{ text_at('raw_json', 'currency') }}) as currency,
        {{ instant_at('raw_json', 'created') }} as created_at
    from objects
    where object_type = 'credit_note'
),

mentioned_customers as (
    select
        mentions.stripe_customer_id,
        {{ arg_min('mentions.currency', '(mentions.created_at, mentions.currency)') }} as currency,
        min(mentions.created_at) as created_at
    from mentions
    left join customers
        on mentions.stripe_customer_id = customers.object_id
    where mentions.stripe_customer_id is not null and customers.object_id is null
    group by mentions.stripe_customer_id
),

final as (
    select
        object_id as stripe_customer_id,
        coalesce(account_id, object_id) as customer_id,
        account_id is not null as is_linked,
        is_deleted as is_stripe_deleted,
        currency,
        email,
        created_at,
        deleted_at
    from customers
    union all
    select
        stripe_customer_id,
        stripe_customer_id as customer_id,
        false as is_linked,
        false as is_stripe_deleted,
        currency,
        cast(null as string) as email,
        created_at,
        cast(null as timestamp) as deleted_at
    from mentioned_customers
)

select * from final
