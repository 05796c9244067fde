-- one row per month from the first signup, spend or paying customer to the running month.
--
-- CAC = marketing spend of the month / customers whose first MRR ever fell into it; NULL where there was none. kpi_mrr_monthly reads
-- it here.

with

calendar as (

    select
        month_start_on,
        max(case when is_month_end and is_complete then 1 else 0 end) = 1 as is_complete
    from {{ ref('dim_date') }}
    where date_day <= {{ last_known_day() }}
    group by month_start_on

),

signups as (

    select
        cast(date_trunc('month', {{ reporting_date('signup_date') }}) as date) as month_start_on,
        count(*) as signups
    from {{ ref('dim_customers') }}
    where customer_source = 'product'
    group by cast(date_trunc('month', {{ reporting_date('signup_date') }}) as date)

),

new_customers as (

    select
        month as month_start_on,
        {{ simple_metrics(['new_customers']) }}
    from {{ ref('fact_customer_months') }}
    group by month

),

spend as (

    select
        cast(date_trunc('month', date_partition) as date) as month_start_on,
        {{ simple_metrics(['marketing_spend']) }},
        sum(clicks) as clicks
    from {{ ref('fact_marketing_spend') }}
    group by cast(date_trunc('month', date_partition) as date)

),

reporting as (

    select exponent from {{ ref('currencies') }}
    where currency = '{{ var("reporting_currency") }}'

),

final as (

    select
        {{ md5_id(['calendar.month_start_on']) }} as id,
        calendar.month_start_on,
        calendar.is_complete,
        cast(coalesce(signups.signups, 0) as bigint) as signups,
        cast(coalesce(new_customers.new_customers, 0) as bigint) as new_paying_customers,
        cast(coalesce(spend.clicks, 0) as bigint) as clicks,
        cast(coalesce(spend.marketing_spend, 0) as decimal(28, 6)) as spend_reporting_minor,
        cast(coalesce({{ for_people('spend.marketing_spend', 'reporting.exponent') }}, 0) as decimal(28, 6)) as spend_amount,
        cast({{ metric('cac', {
            'marketing_spend': 'spend.marketing_spend', 'new_customers': 'new_customers.new_customers',
        }) }} as double) as cac_reporting_minor,
        cast({{ metric('cac', {
            'marketing_spend': for_people('spend.marketing_spend', 'reporting.exponent'), 'new_customers': 'new_customers.new_customers',
        }) }} as double) as cac_amount
    from calendar
    cross join reporting
    left join signups
        on calendar.month_start_on = signups.month_start_on
    left join new_customers
        on calendar.month_start_on = new_customers.month_start_on
    left join spend
        on calendar.month_start_on = spend.month_start_on
    where calendar.month_start_on >= (
        select least(
            coalesce((select min(month_start_on) from signups), date '9999-01-01'),
            coalesce((select min(month_start_on) from spend), date '9999-01-01'),
            coalesce((select min(month_start_on) from new_customers where new_customers > 0), date '9999-01-01')
        )
    )

)

select * from final
order by month_start_on
