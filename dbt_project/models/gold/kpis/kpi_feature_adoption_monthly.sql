-- one row per month end (or the last day that is over, in the running month) and feature used in the 30 days up to it.
--
-- Adoption = customers who used the feature in these 30 days / customers active in them. An association, never a cause.

with

feature_days as (

    select * from {{ ref('fact_feature_usage') }}
    where customer_id != 'unknown'

),

usage_days as (

    select * from {{ ref('int_customer_usage_daily') }}
    where
        successful_calls > 0
        and source_customer_id in (select customer_id from {{ ref('dim_customers') }})

),

month_ends as (

    select
        month_start_on,
        max(date_day) as last_day_on,
        max(date_day) = max(case when is_month_end then date_day end) as is_complete
    from {{ ref('dim_date') }}
    where
        is_complete
        and date_day >= (select min(date_partition) from {{ ref('int_customer_usage_daily') }})
    group by month_start_on

),

active_customers as (

    select
        month_ends.month_start_on,
        count(distinct usage_days.source_customer_id) as active_customers
    from month_ends
    inner join usage_days
        on usage_days.date_partition between {{ add_days('month_ends.last_day_on', -29) }} and month_ends.last_day_on
    group by month_ends.month_start_on

),

adopters as (

    select
        month_ends.month_start_on,
        month_ends.is_complete,
        feature_days.feature_name,
        count(distinct feature_days.customer_id) as adopting_customers,
        sum(feature_days.usage_count) as usage_count
    from month_ends
    inner join feature_days
        on feature_days.date_partition between {{ add_days('month_ends.last_day_on', -29) }} and month_ends.last_day_on
    where feature_days.successful_count > 0
    group by month_ends.month_start_on, month_ends.is_complete, feature_days.feature_name

),

final as (

    select
        {{ md5_id(['adopters.month_start_on', 'adopters.feature_name']) }} as id,
        adopters.month_start_on,
        adopters.feature_name,
        coalesce(adopters.is_complete, false) as is_complete,
        cast(adopters.adopting_customers as bigint) as adopting_customers,
        cast(active_customers.active_customers as bigint) as active_customers,
        cast(adopters.usage_count as bigint) as usage_count,
        cast({{ metric('adoption_rate', {
            'adopting_customers': 'adopters.adopting_customers', 'active_customers': 'active_customers.active_customers',
        }) }} as double) as adoption_rate
    from adopters
    inner join active_customers
        on adopters.month_start_on = active_customers.month_start_on

)

select * from final
order by month_start_on, feature_name
