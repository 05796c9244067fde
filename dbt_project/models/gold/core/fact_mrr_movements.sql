-- one row per customer, currency and instant at which the customer's MRR changed
with movements as (
    select * from {{ ref('int_mrr_movements') }}
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
    from movements
),

final as (
    select
        {{ md5_id(['dated.customer_id', 'dated.currency', 'dated.occurred_at']) }} as id,
        dated.customer_id,
        dated.currency,
        dated.movement_type,
        dated.reason,
        dated.amount_minor,
        {{ for_people('dated.amount_minor', 'currencies.exponent') }} as amount,
        cast({{ rate_or_error('fx_rates.rate_to_reporting', 'dated.currency', 'dated.date_partition') }} as decimal(28, 12))
            as rate_to_reporting,
        {{ to_reporting(
            'dated.amount_minor', rate_or_error('fx_rates.rate_to_reporting', 'dated.currency', 'dated.date_partition'),
            'currencies.exponent', 'reporting.exponent',
        ) }} as amount_reporting_minor,
        {{ for_people(
            to_reporting('dated.amount_minor', 'fx_rates.rate_to_reporting', 'currencies.exponent', 'reporting.exponent'),
            'reporting.exponent',
        ) }} as amount_reporting,
        dated.occurred_at,
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
