-- one row per customer and month with MRR, a movement or revenue: what the customer was at the month's end (or as_of)
{{ config(
    materialized='incremental',
    incremental_strategy='replace_changed',
    by_month=true,
    unique_key='customer_id',
    fingerprints='int_customer_month_fingerprints',
    post_hook=take_in('int_customer_month_fingerprints'),
    computed_once=['paid_items', 'seen'],
) }}
-- depends_on: {{ ref('int_customer_month_fingerprints') }}
with
{%- if is_incremental() %}
changed as (
    {{ changed_keys('int_customer_month_fingerprints', 'customer_id') }}
),
{%- endif %}

customer_months as (
    select * from {{ ref('fact_customer_months') }}
),

revenue as (
    select * from {{ ref('fact_revenue') }}
),

mrr_history as (
    select * from {{ ref('fact_mrr_history') }}
),

versions as (
    select * from {{ ref('dim_customers_history') }}
),

fx_rates as (
    select * from {{ ref('int_fx_rates') }}
),

currencies as (
    select * from {{ ref('currencies') }}
),

months_seen as (
    select
        customer_id,
        month
    from customer_months
    union
    select
        customer_id,
        {{ month_of('date_partition') }} as month
    from revenue
),

customers_seen as (
    select months_seen.*
    from months_seen
    {%- if is_incremental() %}
    left join changed
        on months_seen.customer_id = changed.customer_id
    where months_seen.month >= {{ first_open_month() }} or changed.customer_id is not null
    {%- endif %}
),

calendar as (
    select
        month,
        {{ day_start('month') }} as starts_at,
        least({{ day_start(next_month('month')) }}, {{ as_of() }}) as ends_at,
        {{ day_start(next_month('month')) }} <= {{ as_of() }} as is_complete,
        least({{ add_days(next_month('month'), -1) }}, {{ last_day() }}) as rate_on
    from customers_seen
    group by month
),

-- what was paid for within the month; what still is at its end comes first, then what brings most at that day's rates
paid_items as (
    select
        mrr_history.customer_id,
        calendar.month,
        mrr_history.plan_name,
        mrr_history.product_name,
        mrr_history.currency,
        least(mrr_history.valid_to, calendar.ends_at) as counted_to,
        case
            when mrr_history.valid_to < calendar.ends_at or mrr_history.mrr_minor = 0 then 0
            else {{ to_reporting(
                'mrr_history.mrr_minor', rate_or_error('fx_rates.rate_to_reporting', 'mrr_history.currency', 'calendar.rate_on'),
                'currencies.exponent', 'reporting.exponent',
            ) }}
        end as mrr_reporting_minor,
        mrr_history.mrr_minor,
        mrr_history.list_mrr_minor
    from mrr_history
    inner join calendar
        on mrr_history.valid_from < calendar.ends_at and mrr_history.valid_to > calendar.starts_at
    inner join customers_seen
        on mrr_history.customer_id = customers_seen.customer_id and calendar.month = customers_seen.month
    left join fx_rates
        on mrr_history.currency = fx_rates.currency and calendar.rate_on = fx_rates.date
    left join currencies
        on mrr_history.currency = currencies.currency
    left join currencies as reporting
        on reporting.currency = '{{ var("reporting_currency") }}'
),

counted_items as (
    select
        customer_id,
        month,
        count(*) as items
    from paid_items
    group by customer_id, month
),

main_items as (
    select
        paid_items.customer_id,
        paid_items.month,
        paid_items.plan_name,
        paid_items.product_name,
        paid_items.currency
    from paid_items
    inner join counted_items
        on paid_items.customer_id = counted_items.customer_id and paid_items.month = counted_items.month
    where counted_items.items = 1
    union all
    {%- set rank = '(counted_to, mrr_reporting_minor, mrr_minor, list_mrr_minor, plan_name, product_name, currency)' %}
    select
        customer_id,
        month,
        {{ arg_max('plan_name', rank) }} as plan_name,
        {{ arg_max('product_name', rank) }} as product_name,
        {{ arg_max('currency', rank) }} as currency
    from (
        select paid_items.*
        from paid_items
        inner join counted_items
            on paid_items.customer_id = counted_items.customer_id and paid_items.month = counted_items.month
        where counted_items.items > 1
    ) as rivals
    group by customer_id, month
),

seen as (
    select
        customers_seen.customer_id,
        customers_seen.month,
        main_items.plan_name,
        main_items.product_name,
        main_items.currency
    from customers_seen
    left join main_items
        on customers_seen.customer_id = main_items.customer_id and customers_seen.month = main_items.month
),

plans_before as (
    select
        customer_id,
        month,
        plan_name,
        product_name,
        currency
    from seen
    where currency is not null
    {%- if is_incremental() %}
    union all
    select
        standing.customer_id,
        standing.month,
        standing.plan as plan_name,
        standing.product as product_name,
        standing.currency
    from {{ this }} as standing
    left join changed
        on standing.customer_id = changed.customer_id
    where standing.month < {{ first_open_month() }} and changed.customer_id is null
    {%- endif %}
),

-- a month without any plan (revenue after the end) belongs to the last plan before it
last_plans as (
    select
        seen.customer_id,
        seen.month,
        max(before.month) as plan_month
    from seen
    inner join plans_before as before
        on seen.customer_id = before.customer_id and before.month < seen.month
    where seen.currency is null
    group by seen.customer_id, seen.month
),

planned as (
    select
        seen.customer_id,
        seen.month,
        seen.plan_name,
        seen.product_name,
        seen.currency
    from seen
    where seen.currency is not null
    union all
    select
        seen.customer_id,
        seen.month,
        before.plan_name,
        before.product_name,
        before.currency
    from seen
    left join last_plans
        on seen.customer_id = last_plans.customer_id and seen.month = last_plans.month
    left join plans_before as before
        on last_plans.customer_id = before.customer_id and last_plans.plan_month = before.month
    where seen.currency is null
),

-- before its first version a customer was what that version says
reaching_back as (
    select
        *,
        case
            when row_number() over (partition by customer_id order by valid_from) = 1 then cast('1900-01-01' as timestamp)
            else valid_from
        end as holds_from,
        coalesce(valid_to, {{ end_of_time() }}) as holds_to
    from versions
),

final as (
    select
        {{ md5_id(['planned.customer_id', 'planned.month']) }} as id,
        planned.customer_id,
        planned.month,
        calendar.is_complete,
        coalesce(planned.plan_name, 'none') as plan,
        coalesce(planned.product_name, 'none') as product,
        coalesce(planned.currency, 'XXX') as currency,
        coalesce(reaching_back.industry, 'unknown') as industry,
        coalesce(reaching_back.tier, 'unknown') as tier,
        coalesce(reaching_back.country, 'unknown') as country
    from planned
    inner join calendar
        on planned.month = calendar.month
    left join reaching_back
        on
            planned.customer_id = reaching_back.customer_id
            and reaching_back.holds_from < calendar.ends_at and reaching_back.holds_to >= calendar.ends_at
)

select * from final
