-- Every customer has exactly one row per day, from its signup to its deletion or the last day that is over.
with

expected as (

    select
        customer_id,
        greatest(
            {{ days_between(reporting_date('signup_date'), 'least(' ~ last_day() ~ ', coalesce(' ~ reporting_date('deleted_at') ~ ', ' ~ last_day() ~ '))') }} + 1,
            0
        ) as days
    from {{ ref('dim_customers') }}
    where customer_id != 'unknown' and signup_date is not null

),

found as (

    select customer_id, count(*) as days, count(distinct date_partition) as distinct_days from {{ ref('fact_customer_health') }}
    group by customer_id

)

select expected.customer_id, expected.days, found.days as found_days
from expected
left join found
    on expected.customer_id = found.customer_id
where coalesce(found.days, 0) != expected.days or coalesce(found.distinct_days, 0) != expected.days
