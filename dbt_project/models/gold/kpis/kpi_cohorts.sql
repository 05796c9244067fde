-- one row per cohort (month of first MRR) and month since: customers and net MRR that are left of it
with movements as (
    select * from {{ ref('fact_mrr_movements') }}
),

customer_months as (
    select * from {{ ref('fact_customer_months') }}
),

fx_rates as (
    select * from {{ ref('int_fx_rates') }}
),

currencies as (
    select * from {{ ref('currencies') }}
),

beginnings as (
    select
        customer_id,
        currency,
        {{ month_of('date_partition') }} as cohort_month,
        sum(amount_minor) as first_minor
    from movements
    where movement_type = 'new'
    group by customer_id, currency, {{ month_of('date_partition') }}
),

bounds as (
    select min(cohort_month) as first_month from beginnings
),

-- months in which nobody pays any more are cells too
calendar as (
    select
        months.month,
        {{ day_start(next_month('months.month')) }} <= {{ as_of() }} as is_complete,
        least({{ add_days(next_month('months.month'), -1) }}, {{ last_day() }}) as rate_on
    from {{ month_spine("(select first_month from bounds)", month_of(last_known_day())) }} as months
),

members as (
    select
        customer_id,
        cohort_month
    from beginnings
    group by customer_id, cohort_month
),

sizes as (
    select
        cohort_month,
        count(*) as cohort_customers
    from members
    group by cohort_month
),

-- both sides at the rates of the cell's month end
first_values as (
    select
        beginnings.cohort_month,
        calendar.month,
        sum({{ to_reporting(
            'beginnings.first_minor', rate_or_error('fx_rates.rate_to_reporting', 'beginnings.currency', 'calendar.rate_on'),
            'currencies.exponent', 'reporting.exponent',
        ) }}) as first_minor
    from beginnings
    inner join calendar
        on beginnings.cohort_month <= calendar.month
    left join fx_rates
        on beginnings.currency = fx_rates.currency and calendar.rate_on = fx_rates.date
    left join currencies
        on beginnings.currency = currencies.currency
    left join currencies as reporting
        on reporting.currency = '{{ var("reporting_currency") }}'
    group by beginnings.cohort_month, calendar.month
),

left_values as (
    select
        members.cohort_month,
        customer_months.month,
        count(distinct case when customer_months.closing_mrr_minor > 0 then customer_months.customer_id end) as left_customers,
        sum(customer_months.closing_mrr_reporting_minor) as left_minor
    from members
    inner join customer_months
        on members.customer_id = customer_months.customer_id
    group by members.cohort_month, customer_months.month
),

final as (
    select
        {{ md5_id(['first_values.cohort_month', 'first_values.month']) }} as id,
        first_values.cohort_month,
        first_values.month as month_start_on,
        cast({{ months_between('first_values.cohort_month', 'first_values.month') }} as bigint) as months_since,
        calendar.is_complete,
        cast(sizes.cohort_customers as bigint) as cohort_customers,
        cast(coalesce(left_values.left_customers, 0) as bigint) as retained_customers,
        cast(first_values.first_minor as decimal(28, 6)) as first_mrr_reporting_minor,
        cast(coalesce(left_values.left_minor, 0) as decimal(28, 6)) as retained_mrr_reporting_minor,
        cast({{ metric('cohort_logo_retention', {
            'cohort_retained_customers': 'coalesce(left_values.left_customers, 0)', 'cohort_customers': 'sizes.cohort_customers',
        }) }} as double) as logo_retention,
        cast({{ metric('cohort_revenue_retention', {
            'cohort_retained_mrr': 'coalesce(left_values.left_minor, 0)', 'cohort_first_mrr': 'first_values.first_minor',
        }) }} as double) as net_revenue_retention
    from first_values
    inner join calendar
        on first_values.month = calendar.month
    inner join sizes
        on first_values.cohort_month = sizes.cohort_month
    left join left_values
        on
            first_values.cohort_month = left_values.cohort_month
            and first_values.month = left_values.month
)

select * from final
