-- What is reckoned per entry from its month ends is what is reckoned from day to day: per month, currency and revenue type the
-- customers' booked and recognised are the sums of the days, and their balances those of the month's last known day
with customer_sums as (
    select
        month,
        currency,
        revenue_type,
        {%- for measure in ['booked', 'recognised', 'deferred', 'unbilled'] %}
        sum({{ measure }}_minor) as {{ measure }}_minor{{ "," if not loop.last }}
        {%- endfor %}
    from {{ ref('fact_revenue_recognised_customer_months') }}
    group by month, currency, revenue_type
),

days as (
    select
        *,
        {{ month_of('date_partition') }} as month,
        row_number() over (
            partition by {{ month_of('date_partition') }}, currency, revenue_type order by date_partition desc
        ) as days_to_end
    from {{ ref('fact_revenue_recognised_daily') }}
),

day_sums as (
    select
        month,
        currency,
        revenue_type,
        sum(booked_minor) as booked_minor,
        sum(recognised_minor) as recognised_minor,
        sum(case when days_to_end = 1 then deferred_minor else 0 end) as deferred_minor,
        sum(case when days_to_end = 1 then unbilled_minor else 0 end) as unbilled_minor
    from days
    group by month, currency, revenue_type
),

compared as (
    select
        month,
        currency,
        revenue_type,
        {%- for measure in ['booked', 'recognised', 'deferred', 'unbilled'] %}
        coalesce(day_sums.{{ measure }}_minor, 0) as {{ measure }}_by_day,
        coalesce(customer_sums.{{ measure }}_minor, 0) as {{ measure }}_by_customer{{ "," if not loop.last }}
        {%- endfor %}
    from day_sums
    full outer join customer_sums
        using (month, currency, revenue_type)
)

select * from compared
where
    {%- for measure in ['booked', 'recognised', 'deferred', 'unbilled'] %}
    {{ measure }}_by_day <> {{ measure }}_by_customer{{ " or" if not loop.last }}
    {%- endfor %}
