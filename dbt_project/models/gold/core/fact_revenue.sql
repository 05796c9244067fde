-- one row per signed amount of revenue without tax: a line of a finalised invoice, or a line's part of what reverses it
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
    where standing.rate_to_reporting <> cast(fx_rates.rate_to_reporting as decimal(28, 12))
),
{%- endif %}

entries as (
    select entries.*
    from {{ ref('int_revenue_entries') }} as entries
    {%- if is_incremental() %}
    inner join changed
        on entries.customer_id = changed.customer_id
    {%- endif %}
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
        {{ reporting_date('occurred_at') }} as date_partition,
        {{ reporting_date('coalesce(period_start_at, occurred_at)') }} as service_start_on,
        {{ reporting_date('coalesce(period_end_at, period_start_at, occurred_at)') }} as period_end_on
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
        dated.service_start_on,
        -- a period of no length is its day
        greatest(dated.period_end_on, {{ add_days('dated.service_start_on', 1) }}) as service_end_on,
        -- what reverses posts the elapsed share on its own day; a line is earned by its service, whenever it is invoiced
        case
            when dated.entry_type in ('line', 'charge') and {{ var('recognise_before_invoice') }} then dated.service_start_on
            else greatest(dated.date_partition, dated.service_start_on)
        end as recognised_from_on,
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
