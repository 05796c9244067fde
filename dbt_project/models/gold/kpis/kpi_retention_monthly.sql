-- one row per month and length of interval (1, 3, 6, 12 months ending with it): what became of the customers paying at its start
with customer_months as (
    select * from {{ ref('fact_customer_months') }}
),

fx_rates as (
    select * from {{ ref('int_fx_rates') }}
),

currencies as (
    select * from {{ ref('currencies') }}
),

calendar as (
    select
        month,
        is_complete,
        least({{ add_days(next_month('month'), -1) }}, {{ last_day() }}) as rate_on
    from customer_months
    group by month, is_complete
),

intervals as (
    {%- for months in [1, 3, 6, 12] %}
    select {{ months }} as interval_months
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
),

windows as (
    select
        calendar.month,
        calendar.is_complete,
        calendar.rate_on,
        intervals.interval_months,
        cast({{ add_months('calendar.month', '-intervals.interval_months') }} as date) as start_month
    from calendar
    cross join intervals
),

-- start and end at the rates of the interval's last day: a currency's own way is neither growth nor loss
balances as (
    select
        windows.month,
        windows.interval_months,
        windows.is_complete,
        customer_months.customer_id,
        sum(case when customer_months.month = windows.start_month and customer_months.closing_mrr_minor <> 0 then {{ to_reporting(
            'customer_months.closing_mrr_minor', rate_or_error('fx_rates.rate_to_reporting', 'customer_months.currency', 'windows.rate_on'),
            'currencies.exponent', 'reporting.exponent',
        ) }} else 0 end) as start_minor,
        sum(case when customer_months.month = windows.month and customer_months.closing_mrr_minor <> 0 then {{ to_reporting(
            'customer_months.closing_mrr_minor', rate_or_error('fx_rates.rate_to_reporting', 'customer_months.currency', 'windows.rate_on'),
            'currencies.exponent', 'reporting.exponent',
        ) }} else 0 end) as end_minor
    from windows
    inner join customer_months
        on customer_months.month = windows.start_month or customer_months.month = windows.month
    left join fx_rates
        on customer_months.currency = fx_rates.currency and windows.rate_on = fx_rates.date
    left join currencies
        on customer_months.currency = currencies.currency
    left join currencies as reporting
        on reporting.currency = '{{ var("reporting_currency") }}'
    group by windows.month, windows.interval_months, windows.is_complete, customer_months.customer_id
),

starters as (
    select * from balances
    where start_minor > 0
),

kept as (
    select
        month,
        interval_months,
        is_complete,
        count(*) as start_customers,
        sum(case when end_minor = 0 then 1 else 0 end) as churned_customers,
        sum(start_minor) as start_minor,
        sum(end_minor) as end_minor,
        sum(least(start_minor, end_minor)) as kept_minor
    from starters
    group by month, interval_months, is_complete
),

-- ChartMogul's sums: the starters' movements within the interval
moved as (
    select
        windows.month,
        windows.interval_months,
        sum(customer_months.expansion_reporting_minor) as expansion_minor,
        -sum(customer_months.contraction_reporting_minor) as contraction_minor,
        -sum(customer_months.churn_reporting_minor) as churn_minor,
        sum(customer_months.reactivation_reporting_minor) as reactivation_minor
    from windows
    inner join customer_months
        on customer_months.month > windows.start_month and customer_months.month <= windows.month
    inner join starters
        on
            starters.month = windows.month
            and starters.interval_months = windows.interval_months
            and starters.customer_id = customer_months.customer_id
    group by windows.month, windows.interval_months
),

final as (
    select
        {{ md5_id(['kept.month', 'kept.interval_months']) }} as id,
        kept.month as month_start_on,
        kept.interval_months,
        kept.is_complete,
        cast(kept.start_customers as bigint) as start_customers,
        cast(kept.churned_customers as bigint) as churned_customers,
        cast(kept.start_minor as decimal(28, 6)) as start_mrr_reporting_minor,
        cast(kept.end_minor as decimal(28, 6)) as end_mrr_reporting_minor,
        cast(kept.kept_minor as decimal(28, 6)) as kept_mrr_reporting_minor,
        {{ rate('kept.churned_customers', 'kept.start_customers') }} as logo_churn_rate,
        {{ rate('kept.end_minor', 'kept.start_minor') }} as nrr,
        {{ rate('kept.kept_minor', 'kept.start_minor') }} as grr,
        {{ rate('kept.start_minor - kept.kept_minor', 'kept.start_minor') }} as gross_mrr_churn_rate,
        {{ rate('kept.start_minor - kept.end_minor', 'kept.start_minor') }} as net_mrr_churn_rate,
        {{ rate('moved.churn_minor + moved.contraction_minor', 'kept.start_minor') }} as movement_gross_churn_rate,
        {{ rate(
            'moved.churn_minor + moved.contraction_minor - moved.expansion_minor - moved.reactivation_minor', 'kept.start_minor'
        ) }} as movement_net_churn_rate,
        {{ rate(
            'kept.start_minor + moved.expansion_minor - moved.contraction_minor - moved.churn_minor', 'kept.start_minor'
        ) }} as movement_net_retention_rate
    from kept
    left join moved
        on kept.month = moved.month and kept.interval_months = moved.interval_months
)

select * from final
