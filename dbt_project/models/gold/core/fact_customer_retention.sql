-- one row per customer, month and length of interval (1, 3, 6, 12 months ending with it), of those who paid at its start
{%- set lengths = [1, 3, 6, 12] %}
{%- set moves = ['expansion', 'contraction', 'churn', 'reactivation'] %}
with customer_months as (
    select * from {{ ref('fact_customer_months') }}
),

starting_customers as (
    select * from {{ ref('dim_customer_months') }}
),

fx_rates as (
    select * from {{ ref('int_fx_rates') }}
),

currencies as (
    select * from {{ ref('currencies') }}
),

bounds as (
    select min(month) as first_month from customer_months
),

-- also months in which nobody paid any more: what was lost by then stays lost
calendar as (
    select
        months.month,
        {{ day_start(next_month('months.month')) }} <= {{ as_of() }} as is_complete,
        least({{ add_days(next_month('months.month'), -1) }}, {{ last_day() }}) as rate_on
    from {{ month_spine("(select first_month from bounds)", month_of(last_known_day())) }} as months
),

intervals as (
    {%- for length in lengths %}
    select {{ length }} as interval_months
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
),

-- a month lies in the intervals that end with it or up to their length less one month after it
later_ends as (
    {%- for length in lengths %}
    {%- set last_interval = loop.last %}
    {%- for months_later in range(length) %}
    select
        {{ length }} as interval_months,
        {{ months_later }} as months_later
    {%- if not (loop.last and last_interval) %}
    union all
    {%- endif %}
    {%- endfor %}
    {%- endfor %}
),

starting as (
    select
        customer_months.customer_id,
        customer_months.currency,
        customer_months.closing_mrr_minor,
        customer_months.closing_mrr_reporting_minor,
        cast({{ add_months('customer_months.month', 'intervals.interval_months') }} as date) as month,
        intervals.interval_months
    from customer_months
    cross join intervals
    where customer_months.closing_mrr_minor > 0
),

-- start and end at the rates of the interval's last day: a currency's own way is neither growth nor loss
parts as (
    select
        starting.customer_id,
        starting.month,
        starting.interval_months,
        {%- if var('retention_leaves_out_fx') %}
        {{ to_reporting(
            'starting.closing_mrr_minor', rate_or_error('fx_rates.rate_to_reporting', 'starting.currency', 'calendar.rate_on'),
            'currencies.exponent', 'reporting.exponent',
        ) }} as start_minor,
        {%- else %}
        starting.closing_mrr_reporting_minor as start_minor,
        {%- endif %}
        cast(0 as decimal(28, 6)) as end_minor
        {%- for move in moves %},
        cast(0 as decimal(28, 6)) as {{ move }}_minor
        {%- endfor %}
    from starting
    inner join calendar
        on starting.month = calendar.month
    left join fx_rates
        on starting.currency = fx_rates.currency and calendar.rate_on = fx_rates.date
    left join currencies
        on starting.currency = currencies.currency
    left join currencies as reporting
        on reporting.currency = '{{ var("reporting_currency") }}'
    union all
    select
        customer_months.customer_id,
        customer_months.month,
        intervals.interval_months,
        cast(0 as decimal(28, 6)) as start_minor,
        customer_months.closing_mrr_reporting_minor as end_minor
        {%- for move in moves %},
        cast(0 as decimal(28, 6)) as {{ move }}_minor
        {%- endfor %}
    from customer_months
    cross join intervals
    where customer_months.closing_mrr_minor > 0
    union all
    select
        customer_months.customer_id,
        cast({{ add_months('customer_months.month', 'later_ends.months_later') }} as date) as month,
        later_ends.interval_months,
        cast(0 as decimal(28, 6)) as start_minor,
        cast(0 as decimal(28, 6)) as end_minor
        {%- for move in moves %},
        customer_months.{{ move }}_reporting_minor as {{ move }}_minor
        {%- endfor %}
    from customer_months
    cross join later_ends
    where
        {%- for move in moves %}
        {{ "or " if not loop.first }}customer_months.{{ move }}_reporting_minor <> 0
        {%- endfor %}
),

starters as (
    select
        customer_id,
        month,
        interval_months,
        sum(start_minor) as start_minor,
        sum(end_minor) as end_minor
        {%- for move in moves %},
        sum({{ move }}_minor) as {{ move }}_minor
        {%- endfor %}
    from parts
    group by customer_id, month, interval_months
    having sum(start_minor) > 0
),

final as (
    select
        {{ md5_id(['starters.customer_id', 'starters.month', 'starters.interval_months']) }} as id,
        starters.customer_id,
        starters.month,
        starters.interval_months,
        cast({{ add_months('starters.month', '-starters.interval_months') }} as date) as start_month,
        starting_customers.currency as start_currency,
        calendar.is_complete,
        starters.end_minor = 0 as is_churned,
        cast(starters.start_minor as decimal(28, 6)) as start_mrr_reporting_minor,
        cast(starters.end_minor as decimal(28, 6)) as end_mrr_reporting_minor,
        cast(least(starters.start_minor, starters.end_minor) as decimal(28, 6)) as kept_mrr_reporting_minor,
        {%- for move in moves %}
        cast(starters.{{ move }}_minor as decimal(28, 6)) as {{ move }}_reporting_minor{{ "," if not loop.last }}
        {%- endfor %}
    from starters
    inner join calendar
        on starters.month = calendar.month
    left join starting_customers
        on
            starters.customer_id = starting_customers.customer_id
            and starting_customers.month = cast({{ add_months('starters.month', '-starters.interval_months') }} as date)
)

select * from final
