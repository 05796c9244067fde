-- one row per invoice and charge that paid it (partial payments: many to many), with what it paid
{{ config(
    materialized='incremental',
    incremental_strategy='replace_changed',
    unique_key='customer_id',
    fingerprints='int_customer_billing_fingerprints',
    post_hook=take_in('int_customer_billing_fingerprints'),
    computed_once=['found'],
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
),

charges as (
    select * from {{ ref('int_charges') }}
    where status = 'succeeded'
),

payments as (
    select payments.*
    from {{ ref('int_stripe_invoice_payments') }} as payments
    inner join invoices
        on payments.invoice_id = invoices.invoice_id
    where payments.status = 'paid'
),

-- older shapes name the charge on the invoice, or the invoice on the charge
found as (
    select
        payments.invoice_id,
        charges.charge_id,
        payments.paid_minor
    from payments
    inner join charges
        on payments.charge_id = charges.charge_id
    union all
    select
        payments.invoice_id,
        charges.charge_id,
        payments.paid_minor
    from payments
    inner join charges
        on payments.payment_intent_id = charges.payment_intent_id
    where payments.charge_id is null
    union all
    select
        charges.invoice_id,
        charges.charge_id,
        charges.amount_minor as paid_minor
    from charges
    {%- if is_incremental() %}
    left join invoices
        on charges.invoice_id = invoices.invoice_id
    left join changed
        on coalesce(charges.customer_id, 'unknown') = changed.customer_id
    {%- endif %}
    where
        charges.invoice_id is not null
        {%- if is_incremental() %}
        and (invoices.invoice_id is not null or changed.customer_id is not null)
        {%- endif %}
    union all
    select
        invoices.invoice_id,
        charges.charge_id,
        charges.amount_minor as paid_minor
    from invoices
    inner join charges
        on invoices.charge_id = charges.charge_id
    where charges.invoice_id is null
    union all
    select
        invoices.invoice_id,
        charges.charge_id,
        charges.amount_minor as paid_minor
    from invoices
    inner join charges
        on invoices.payment_intent_id = charges.payment_intent_id
    where charges.invoice_id is null and invoices.charge_id is null and invoices.payments_json is null
),

-- Where the payments were never asked for, nothing names the other: then a payment of the customer by the same amount within a day
-- is the invoice's, the nearest one of each.
candidates as (
    select
        invoices.invoice_id,
        charges.charge_id,
        charges.amount_minor as paid_minor,
        abs({{ seconds_between('invoices.paid_at', 'charges.created_at') }}) as seconds_apart
    from invoices
    inner join charges
        on
            invoices.stripe_customer_id = charges.stripe_customer_id
            and invoices.currency = charges.currency
            and invoices.amount_paid_minor = charges.amount_minor
    left join found as invoices_found
        on invoices.invoice_id = invoices_found.invoice_id
    left join found as charges_found
        on charges.charge_id = charges_found.charge_id
    where
        invoices_found.invoice_id is null and charges_found.charge_id is null
        and invoices.payments_json is null and invoices.amount_paid_minor > 0
        and abs({{ seconds_between('invoices.paid_at', 'charges.created_at') }}) <= 86400
),

placed as (
    select
        *,
        row_number() over (partition by invoice_id order by seconds_apart, charge_id) as charge_place,
        row_number() over (partition by charge_id order by seconds_apart, invoice_id) as invoice_place
    from candidates
),

links as (
    select
        invoice_id,
        charge_id,
        paid_minor
    from found
    union all
    select
        invoice_id,
        charge_id,
        paid_minor
    from placed
    where charge_place = 1 and invoice_place = 1
),

summed as (
    select
        invoice_id,
        charge_id,
        max(coalesce(paid_minor, 0)) as paid_minor
    from links
    group by invoice_id, charge_id
),

-- the invoice's customer; the charge's where the invoice is not known
final as (
    select
        summed.invoice_id,
        summed.charge_id,
        coalesce(invoices.customer_id, charges.customer_id, 'unknown') as customer_id,
        summed.paid_minor
    from summed
    inner join charges
        on summed.charge_id = charges.charge_id
    left join invoices
        on summed.invoice_id = invoices.invoice_id
)

select * from final
