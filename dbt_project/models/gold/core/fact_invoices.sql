-- one row per finalised invoice: what it asked for, what was paid, credited and written off, and when
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
-- billing that has changed, and days whose rate has
changed as (
    {{ changed_keys('int_customer_billing_fingerprints', 'customer_id') }}
    union
    select standing.customer_id
    from {{ this }} as standing
    inner join {{ ref('int_fx_rates') }} as fx_rates
        on standing.currency = fx_rates.currency and standing.date_partition = fx_rates.date
    inner join {{ ref('currencies') }} as currencies
        on standing.currency = currencies.currency
    inner join {{ ref('currencies') }} as reporting
        on reporting.currency = '{{ var("reporting_currency") }}'
    where standing.total_reporting_minor <> {{ to_reporting(
        'standing.total_minor', 'fx_rates.rate_to_reporting', 'currencies.exponent', 'reporting.exponent',
    ) }}
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

credit_notes as (
    select * from {{ ref('int_credit_notes') }}
    where voided_at is null
),

payments as (
    select * from {{ ref('int_invoice_payments') }}
),

charges as (
    select * from {{ ref('int_charges') }}
),

fx_rates as (
    select * from {{ ref('int_fx_rates') }}
),

currencies as (
    select * from {{ ref('currencies') }}
),

-- Credit notes of older payloads don't say how much of them went off what was still to pay: all that was open then
paid_before as (
    select
        credit_notes.credit_note_id,
        sum(payments.paid_minor) as paid_minor
    from credit_notes
    inner join payments
        on credit_notes.invoice_id = payments.invoice_id
    inner join charges
        on payments.charge_id = charges.charge_id and charges.created_at <= credit_notes.created_at
    group by credit_notes.credit_note_id
),

in_order as (
    select
        credit_notes.credit_note_id,
        credit_notes.invoice_id,
        credit_notes.total_minor,
        credit_notes.credit_note_type,
        credit_notes.pre_payment_minor,
        coalesce(sum(credit_notes.total_minor) over (
            partition by credit_notes.invoice_id
            order by credit_notes.created_at, credit_notes.credit_note_id rows between unbounded preceding and 1 preceding
        ), 0) as credited_before_minor,
        case
            -- paid by something that we don't know
            when invoices.paid_at <= credit_notes.created_at then 0
            else greatest(invoices.total_minor - coalesce(paid_before.paid_minor, 0), 0)
        end as unpaid_minor
    from credit_notes
    inner join invoices
        on credit_notes.invoice_id = invoices.invoice_id
    left join paid_before
        on credit_notes.credit_note_id = paid_before.credit_note_id
),

credits as (
    select
        invoice_id,
        sum(total_minor) as credited_minor,
        sum(case
            when pre_payment_minor is not null then pre_payment_minor
            when credit_note_type = 'pre_payment' then total_minor
            when credit_note_type = 'post_payment' then 0
            else least(total_minor, greatest(unpaid_minor - credited_before_minor, 0))
        end) as before_payment_minor
    from in_order
    group by invoice_id
),

dated as (
    select
        *,
        {{ reporting_date('finalized_at') }} as date_partition
    from invoices
),

final as (
    select
        {{ md5_id(['invoices.invoice_id']) }} as id,
        invoices.invoice_id as stripe_invoice_id,
        invoices.customer_id,
        invoices.subscription_id,
        invoices.invoice_number,
        invoices.status,
        invoices.billing_reason,
        invoices.collection_method,
        invoices.currency,
        cast(invoices.total_minor as bigint) as total_minor,
        cast(invoices.total_minor - invoices.total_excluding_tax_minor as bigint) as tax_minor,
        cast(invoices.total_excluding_tax_minor as bigint) as net_minor,
        cast(invoices.amount_due_minor as bigint) as amount_due_minor,
        cast(invoices.amount_paid_minor as bigint) as amount_paid_minor,
        cast(invoices.amount_remaining_minor as bigint) as amount_remaining_minor,
        cast(coalesce(credits.before_payment_minor, 0) as bigint) as credited_before_payment_minor,
        cast(coalesce(credits.credited_minor - credits.before_payment_minor, 0) as bigint) as credited_after_payment_minor,
        cast(case when invoices.paid_at is null then coalesce(invoices.written_off_minor, 0) else 0 end as bigint)
            as written_off_minor,
        cast(coalesce(invoices.attempt_count, 0) as bigint) as attempts,
        {{ to_reporting(
            'invoices.total_minor', rate_or_error('fx_rates.rate_to_reporting', 'invoices.currency', 'invoices.date_partition'),
            'currencies.exponent', 'reporting.exponent',
        ) }} as total_reporting_minor,
        {{ to_reporting(
            'invoices.total_excluding_tax_minor',
            rate_or_error('fx_rates.rate_to_reporting', 'invoices.currency', 'invoices.date_partition'),
            'currencies.exponent', 'reporting.exponent',
        ) }} as net_reporting_minor,
        invoices.finalized_at,
        invoices.due_at,
        invoices.next_attempt_at,
        invoices.paid_at,
        invoices.voided_at,
        invoices.marked_uncollectible_at as uncollectible_at,
        invoices.date_partition
    from dated as invoices
    left join credits
        on invoices.invoice_id = credits.invoice_id
    left join fx_rates
        on invoices.currency = fx_rates.currency and invoices.date_partition = fx_rates.date
    left join currencies
        on invoices.currency = currencies.currency
    left join currencies as reporting
        on reporting.currency = '{{ var("reporting_currency") }}'
)

select * from final
