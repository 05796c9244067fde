-- one row per month of first successful call and number of months since.
--
-- Retained = at least one successful call in that calendar month; a cell whose month is not over is incomplete, not 0.

with

active_months as (

    select distinct
        source_customer_id as customer_id,
        cast(date_trunc('month', date_partition) as date) as month_start_on
    from {{ ref('int_customer_usage_daily') }}
    where
        successful_calls > 0
        and source_customer_id in (select customer_id from {{ ref('dim_customers') }})

),

cohorts as (

    select
        customer_id,
        min(month_start_on) as cohort_month_on
    from active_months
    group by customer_id

),

cohort_sizes as (

    select
        cohort_month_on,
        count(*) as customers
    from cohorts
    group by cohort_month_on

),

months as (

    select distinct month_start_on from {{ ref('dim_date') }}
    where is_complete

),

retained as (

    select
        cohorts.cohort_month_on,
        active_months.month_start_on,
        count(*) as customers
    from active_months
    inner join cohorts
        on active_months.customer_id = cohorts.customer_id
    group by cohorts.cohort_month_on, active_months.month_start_on

),

final as (

    select
        {{ md5_id(['cohort_sizes.cohort_month_on', 'months.month_start_on']) }} as id,
        cohort_sizes.cohort_month_on,
        months.month_start_on,
        cast({{ months_between('cohort_sizes.cohort_month_on', 'months.month_start_on') }} as integer) as months_since,
        last_day(months.month_start_on) <= {{ last_day() }} as is_complete,
        cast(cohort_sizes.customers as bigint) as cohort_customers,
        cast(coalesce(retained.customers, 0) as bigint) as retained_customers,
        cast({{ metric('usage_retention', {
            'usage_retained_customers': 'coalesce(retained.customers, 0)', 'usage_cohort_customers': 'cohort_sizes.customers',
        }) }} as double) as retention_rate
    from cohort_sizes
    inner join months
        on cohort_sizes.cohort_month_on <= months.month_start_on
    left join retained
        on
            cohort_sizes.cohort_month_on = retained.cohort_month_on
            and months.month_start_on = retained.month_start_on

)

select * from final
order by cohort_month_on, month_start_on
