-- one row per customer and month with MRR, a movement or revenue: what the customer was at the month's end (or as_of)
with customer_months as (
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

customers_seen as (
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
    left join fx_rates
        on mrr_history.currency = fx_rates.currency and calendar.rate_on = fx_rates.date
    left join currencies
        on mrr_history.currency = currencies.currency
    left join currencies as reporting
        on reporting.currency = '{{ var("reporting_currency") }}'
),

main_items as (
    {%- set rank = '(counted_to, mrr_reporting_minor, mrr_minor, list_mrr_minor, plan_name, product_name, currency)' %}
    select
        customer_id,
        month,
        {{ arg_max('plan_name', rank) }} as plan_name,
        {{ arg_max('product_name', rank) }} as product_name,
        {{ arg_max('currency', rank) }} as currency
    from paid_items
    group by customer_id, month
),

-- a month without any plan (revenue after the end) belongs to the last plan before it
stretches as (
    select
        customers_seen.customer_id,
        customers_seen.month,
        main_items.plan_name,
        main_items.product_name,
        main_items.currency,
        count(main_items.currency) over (
            partition by customers_seen.customer_id order by customers_seen.month
            rows between unbounded preceding and current row
        ) as stretch
    from customers_seen
    left join main_items
        on customers_seen.customer_id = main_items.customer_id and customers_seen.month = main_items.month
),

planned as (
    select
        customer_id,
        month,
        max(plan_name) over (partition by customer_id, stretch) as plan_name,
        max(product_name) over (partition by customer_id, stretch) as product_name,
        max(currency) over (partition by customer_id, stretch) as currency
    from stretches
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
