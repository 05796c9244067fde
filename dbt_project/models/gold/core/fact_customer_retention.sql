-- one row per customer, month and length of interval (1, 3, 6, 12 months ending with it), of those who paid at its start
{{ config(
    materialized='incremental',
    incremental_strategy='replace_changed',
    by_month=true,
    unique_key='customer_id',
    fingerprints='int_customer_month_fingerprints',
    post_hook=take_in('int_customer_month_fingerprints'),
    computed_once=['starts_by_currency'],
) }}
-- depends_on: {{ ref('int_customer_month_fingerprints') }}
{%- set lengths = [1, 3, 6, 12] %}
{%- set moves = ['expansion', 'contraction', 'churn', 'reactivation'] %}
with
{%- if is_incremental() %}
changed as (
    {{ changed_keys('int_customer_month_fingerprints', 'customer_id') }}
),
{%- endif %}

customer_months as (
    select customer_months.*
    from {{ ref('fact_customer_months') }} as customer_months
    {%- if is_incremental() %}
    left join changed
        on customer_months.customer_id = changed.customer_id
    where
        customer_months.month >= cast({{ add_months(first_open_month(), -(lengths | max)) }} as date)
        or changed.customer_id is not null
    {%- endif %}
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

-- what one unit of a currency is worth on the last day of the interval that begins with a month's end
interval_rates as (
    {%- for length in lengths %}
    select
        cast({{ add_months('calendar.month', '-' ~ length) }} as date) as start_month,
        calendar.month as end_month,
        {{ length }} as interval_months,
        calendar.rate_on,
        currencies.currency,
        currencies.exponent,
        reporting.exponent as reporting_exponent,
        fx_rates.rate_to_reporting
    from calendar
    cross join currencies
    inner join currencies as reporting
        on reporting.currency = '{{ var("reporting_currency") }}'
    left join fx_rates
        on currencies.currency = fx_rates.currency and calendar.rate_on = fx_rates.date
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
),

paid_months as (
    select * from customer_months
    where closing_mrr_minor > 0
),

-- start and end at the rates of the interval's last day: a currency's own way is neither growth nor loss
starts_by_currency as (
    select
        paid_months.customer_id,
        paid_months.month as start_month,
        interval_rates.interval_months,
        {%- if var('retention_leaves_out_fx') %}
        {{ to_reporting(
            'paid_months.closing_mrr_minor',
            rate_or_error('interval_rates.rate_to_reporting', 'paid_months.currency', 'interval_rates.rate_on'),
            'interval_rates.exponent', 'interval_rates.reporting_exponent',
        ) }} as start_minor
        {%- else %}
        paid_months.closing_mrr_reporting_minor as start_minor
        {%- endif %}
    from paid_months
    inner join interval_rates
        on paid_months.month = interval_rates.start_month and paid_months.currency = interval_rates.currency
    {%- if is_incremental() %}
    left join changed
        on paid_months.customer_id = changed.customer_id
    where interval_rates.end_month >= {{ first_open_month() }} or changed.customer_id is not null
    {%- endif %}
),

several_currencies as (
    select
        customer_id,
        month
    from paid_months
    group by customer_id, month
    having count(*) > 1
),

-- most customers pay in one currency: only the others are added up
starters as (
    select starts_by_currency.*
    from starts_by_currency
    left join several_currencies
        on
            starts_by_currency.customer_id = several_currencies.customer_id
            and starts_by_currency.start_month = several_currencies.month
    where several_currencies.customer_id is null and starts_by_currency.start_minor > 0
    union all
    select
        starts_by_currency.customer_id,
        starts_by_currency.start_month,
        starts_by_currency.interval_months,
        sum(starts_by_currency.start_minor) as start_minor
    from starts_by_currency
    inner join several_currencies
        on
            starts_by_currency.customer_id = several_currencies.customer_id
            and starts_by_currency.start_month = several_currencies.month
    group by starts_by_currency.customer_id, starts_by_currency.start_month, starts_by_currency.interval_months
    having sum(starts_by_currency.start_minor) > 0
),

ends as (
    select
        customer_id,
        month,
        sum(closing_mrr_reporting_minor) as end_minor
    from paid_months
    group by customer_id, month
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

moved as (
    select
        customer_months.customer_id,
        cast({{ add_months('customer_months.month', 'later_ends.months_later') }} as date) as month,
        later_ends.interval_months,
        {%- for move in moves %}
        sum(customer_months.{{ move }}_reporting_minor) as {{ move }}_minor{{ "," if not loop.last }}
        {%- endfor %}
    from customer_months
    cross join later_ends
    where
        {%- for move in moves %}
        {{ "or " if not loop.first }}customer_months.{{ move }}_reporting_minor <> 0
        {%- endfor %}
    group by
        customer_months.customer_id,
        cast({{ add_months('customer_months.month', 'later_ends.months_later') }} as date),
        later_ends.interval_months
),

ended as (
    select
        *,
        cast({{ add_months('start_month', 'interval_months') }} as date) as month
    from starters
),

final as (
    select
        ended.customer_id,
        ended.month,
        ended.interval_months,
        ended.start_month,
        starting_customers.currency as start_currency,
        calendar.is_complete,
        ends.end_minor is null as is_churned,
        cast(ended.start_minor as decimal(28, 6)) as start_mrr_reporting_minor,
        cast(coalesce(ends.end_minor, 0) as decimal(28, 6)) as end_mrr_reporting_minor,
        cast(least(ended.start_minor, coalesce(ends.end_minor, 0)) as decimal(28, 6)) as kept_mrr_reporting_minor,
        {%- for move in moves %}
        cast(coalesce(moved.{{ move }}_minor, 0) as decimal(28, 6)) as {{ move }}_reporting_minor{{ "," if not loop.last }}
        {%- endfor %}
    from ended
    inner join calendar
        on ended.month = calendar.month
    left join ends
        on ended.customer_id = ends.customer_id and ended.month = ends.month
    left join moved
        on
            ended.customer_id = moved.customer_id
            and ended.month = moved.month
            and ended.interval_months = moved.interval_months
    left join starting_customers
        on ended.customer_id = starting_customers.customer_id and ended.start_month = starting_customers.month
)

select * from final
