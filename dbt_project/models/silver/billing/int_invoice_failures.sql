-- one row per invoice of which a payment failed: when that was first, and what it asked for then
{{ config(
    materialized='incremental',
    incremental_strategy='replace_changed',
    unique_key='customer_id',
    fingerprints='int_customer_billing_fingerprints',
    post_hook=take_in('int_customer_billing_fingerprints'),
) }}
-- depends_on: {{ ref('int_customer_billing_fingerprints') }}
with
{%- if is_incremental() %}
changed as (
    {{ changed_keys('int_customer_billing_fingerprints', 'customer_id') }}
),
{%- endif %}

invoices as (
    select invoices.*
    from {{ ref('int_invoices') }} as invoices
    {%- if is_incremental() %}
    inner join changed
        on invoices.customer_id = changed.customer_id
    {%- endif %}
    where invoices.finalized_at is not null
),

charges as (
    select * from {{ ref('int_charges') }}
    where status = 'failed'
),

events as (
    select * from {{ ref('int_stripe_events') }}
    where event_type = 'invoice.payment_failed'
),

payments as (
    select * from {{ ref('int_stripe_invoice_payments') }}
),

-- all attempts of an invoice share its payment intent; older shapes name the invoice on the charge
attempts as (
    select
        invoice_id,
        charge_id,
        payment_intent_id
    from payments
    union all
    select
        invoice_id,
        charge_id,
        payment_intent_id
    from invoices
    where charge_id is not null or payment_intent_id is not null
),

failures as (
    select
        subject_id as invoice_id,
        occurred_at as failed_at,
        {{ whole_at('object_json', 'amount_remaining') }} as amount_minor
    from events
    union all
    select
        invoice_id,
        created_at as failed_at,
        amount_minor
    from charges
    where invoice_id is not null
    union all
    select
        attempts.invoice_id,
        charges.created_at as failed_at,
        charges.amount_minor
    from attempts
    inner join charges
        on attempts.charge_id = charges.charge_id
    union all
    select
        attempts.invoice_id,
        charges.created_at as failed_at,
        charges.amount_minor
    from attempts
    inner join charges
        on attempts.payment_intent_id = charges.payment_intent_id
    where charges.invoice_id is null
),

first_failures as (
    select
        invoice_id,
        min(failed_at) as failed_at,
        {{ arg_min('amount_minor', 'failed_at') }} as amount_minor
    from failures
    group by invoice_id
),

final as (
    select
        invoices.invoice_id,
        invoices.customer_id,
        coalesce(first_failures.failed_at, invoices.finalized_at) as first_failed_at,
        coalesce(first_failures.amount_minor, invoices.amount_due_minor) as amount_minor,
        first_failures.invoice_id is null as is_inferred
    from invoices
    left join first_failures
        on invoices.invoice_id = first_failures.invoice_id
    where
        first_failures.invoice_id is not null
        -- neither event nor charge is left of it: a second attempt says that the first one failed, and so does one without payment
        or invoices.attempt_count >= 2
        or (invoices.attempt_count >= 1 and invoices.status in ('open', 'uncollectible', 'void'))
)

select * from final
