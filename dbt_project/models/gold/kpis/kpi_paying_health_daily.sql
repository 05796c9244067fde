-- one row per day: the health of the customers that paid at its end.
--
-- At risk = health score below 70 (bands At Risk and Critical). Whoever pays nothing, a free account long silent for one, has no
-- revenue to lose and is left out here.

with

health as (

    select
        date_partition as day,
        customer_id,
        health_score
    from {{ ref('fact_customer_health') }}

),

days as (

    select
        day,
        {{ day_start(add_days('day', 1)) }} as ends_at
    from health
    group by day

),

paying as (

    select
        days.day,
        steps.customer_id
    from days
    inner join {{ ref('int_customer_mrr_steps') }} as steps
        on
            steps.mrr_minor > 0
            and steps.valid_from < days.ends_at
            and days.ends_at <= coalesce(steps.valid_to, cast('9999-12-31' as timestamp))
    -- one customer may pay in two currencies
    group by days.day, steps.customer_id

),

final as (

    select
        {{ md5_id(['days.day']) }} as id,
        days.day,
        count(paying.customer_id) as paying_customers,
        count(*) filter (where health.health_score < 70) as customers_at_risk,
        count(*) filter (where health.health_score < 50) as customers_critical
    from days
    left join paying
        on days.day = paying.day
    left join health
        on
            paying.day = health.day
            and paying.customer_id = health.customer_id
    group by days.day

)

select * from final
order by day
