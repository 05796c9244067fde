-- one row per signed amount of revenue without tax: a line of a finalised invoice, or a line's part of what reverses it
with entries as (
    select * from {{ ref('int_revenue_entries') }}
),

fx_rates as (
    select * from {{ ref('int_fx_rates') }}
),

currencies as (
    select * from {{ ref('currencies') }}
),

dated as (
    select
        *,
        {{ reporting_date('occurred_at') }} as date_partition
    from entries
),

final as (
    select
        {{ md5_id(['dated.entry_type', 'dated.entry_key', 'dated.invoice_id', 'dated.invoice_line_id']) }} as id,
        dated.customer_id,
        dated.subscription_id,
        dated.price_id,
        dated.invoice_id as stripe_invoice_id,
        dated.invoice_line_id as stripe_invoice_line_id,
        dated.entry_type,
        dated.reverses_key as reverses_id,
        dated.revenue_type,
        dated.currency,
        {{ for_people('dated.amount_minor', 'currencies.exponent') }} as amount,
        dated.amount_minor,
        cast(dated.discount_minor as bigint) as discount_minor,
        cast(dated.tax_minor as bigint) as tax_minor,
        dated.quantity,
        coalesce(dated.is_proration, false) as is_proration,
        cast({{ rate_or_error('fx_rates.rate_to_reporting', 'dated.currency', 'dated.date_partition') }} as decimal(28, 12))
            as rate_to_reporting,
        {{ to_reporting(
            'dated.amount_minor', rate_or_error('fx_rates.rate_to_reporting', 'dated.currency', 'dated.date_partition'),
            'currencies.exponent', 'reporting.exponent',
        ) }} as amount_reporting_minor,
        dated.period_start_at as billing_period_start,
        dated.period_end_at as billing_period_end,
        dated.occurred_at as processed_at,
        dated.date_partition
    from dated
    left join fx_rates
        on dated.currency = fx_rates.currency and dated.date_partition = fx_rates.date
    left join currencies
        on dated.currency = currencies.currency
    left join currencies as reporting
        on reporting.currency = '{{ var("reporting_currency") }}'
)

select * from final
