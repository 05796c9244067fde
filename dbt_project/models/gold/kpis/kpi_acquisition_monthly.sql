-- one row per month from the first signup, spend or paying customer to the running month.
--
-- CAC = marketing spend of the month / customers whose first MRR ever fell into it; NULL where there was none. Its one definition:
-- kpi_mrr_monthly reads it here.

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
        cast(date_trunc('month', date_partition) as date) as month_start_on,
        count(distinct customer_id) as new_paying_customers
    from {{ ref('fact_mrr_movements') }}
    where movement_type = 'new'
    group by cast(date_trunc('month', date_partition) as date)

),

spend as (

    select
        cast(date_trunc('month', date_partition) as date) as month_start_on,
        sum(spend_reporting_minor) as spend_reporting_minor,
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
        cast(coalesce(new_customers.new_paying_customers, 0) as bigint) as new_paying_customers,
        cast(coalesce(spend.clicks, 0) as bigint) as clicks,
        cast(coalesce(spend.spend_reporting_minor, 0) as decimal(28, 6)) as spend_reporting_minor,
        cast(coalesce({{ for_people('spend.spend_reporting_minor', 'reporting.exponent') }}, 0) as decimal(28, 6)) as spend_amount,
        {{ rate('spend.spend_reporting_minor', 'new_customers.new_paying_customers') }} as cac_reporting_minor,
        {{ rate(for_people('spend.spend_reporting_minor', 'reporting.exponent'), 'new_customers.new_paying_customers') }} as cac_amount
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
            coalesce((select min(month_start_on) from new_customers), date '9999-01-01')
        )
    )

)

select * from final
order by month_start_on
