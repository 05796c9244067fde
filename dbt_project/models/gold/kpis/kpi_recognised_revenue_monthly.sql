-- one row per month, currency and revenue type: what was booked and recognised, and what is deferred and unbilled at its end
with days as (
    select
        *,
        {{ month_of('date_partition') }} as month,
        row_number() over (
            partition by {{ month_of('date_partition') }}, currency, revenue_type order by date_partition desc
        ) as days_to_end
    from {{ ref('fact_revenue_recognised_daily') }}
),

currencies as (
    select * from {{ ref('currencies') }}
),

months as (
    select
        month,
        currency,
        revenue_type,
        sum(booked_minor) as booked_minor,
        sum(recognised_minor) as recognised_minor,
        sum(recognised_reporting_minor) as recognised_reporting_minor,
        {%- for measure in ['deferred_minor', 'unbilled_minor', 'deferred_reporting_minor', 'unbilled_reporting_minor'] %}
        sum(case when days_to_end = 1 then {{ measure }} else 0 end) as {{ measure }}{{ "," if not loop.last }}
        {%- endfor %}
    from days
    group by month, currency, revenue_type
),

final as (
    select
        {{ md5_id(['months.month', 'months.currency', 'months.revenue_type']) }} as id,
        months.month as month_start_on,
        {{ day_start(next_month('months.month')) }} <= {{ as_of() }} as is_complete,
        months.currency,
        months.revenue_type,
        {%- for measure in ['deferred', 'unbilled'] %}
        cast(lag(months.{{ measure }}_minor, 1, 0) over (
            partition by months.currency, months.revenue_type order by months.month
        ) as bigint) as opening_{{ measure }}_minor,
        {%- endfor %}
        {%- for measure in ['booked', 'recognised', 'deferred', 'unbilled'] %}
        cast(months.{{ measure }}_minor as bigint) as {{ measure }}_minor,
        {%- endfor %}
        {%- for measure in ['recognised', 'deferred', 'unbilled'] %}
        cast(months.{{ measure }}_reporting_minor as decimal(28, 6)) as {{ measure }}_reporting_minor,
        {%- endfor %}
        {{ for_people('months.recognised_minor', 'currencies.exponent') }} as recognised_amount,
        {{ for_people('months.deferred_minor', 'currencies.exponent') }} as deferred_amount
    from months
    left join currencies
        on months.currency = currencies.currency
)

select * from final
order by month_start_on, currency, revenue_type
