-- one row per calendar day of the reporting time zone, from the year of the first customer to the end of the running year.

with

first_days as (

    select min({{ reporting_date('signup_at') }}) as first_day from {{ ref('int_accounts') }}
    union all
    select min(date_partition) as first_day from {{ ref('int_customer_usage_daily') }}
    union all
    -- Stripe may know customers from before the product's database did
    select min({{ reporting_date('created_at') }}) as first_day from {{ ref('int_customer_links') }}
    union all
    select min({{ reporting_date('occurred_at') }}) as first_day from {{ ref('int_revenue_entries') }}
    union all
    select min({{ reporting_date('valid_from') }}) as first_day from {{ ref('int_customer_mrr_steps') }}
    union all
    select {{ last_day() }} as first_day

),

bounds as (

    select cast(date_trunc('year', min(first_day)) as date) as first_day from first_days

),

days as (

    select spine.day
    from {{ date_spine(
        '(select first_day from bounds)',
        "(date_trunc('year', " ~ reporting_date(as_of()) ~ ") + interval '1' year - interval '1' day)",
    ) }} as spine

),

final as (

    select
        {{ md5_id(['day']) }} as id,
        day as date_day,
        cast(extract(year from day) as integer) as year_number,
        cast(extract(quarter from day) as integer) as quarter_number,
        cast(extract(month from day) as integer) as month_number,
        cast(extract(day from day) as integer) as day_of_month,
        cast({{ iso_weekday('day') }} as integer) as iso_weekday,
        cast(date_trunc('week', day) as date) as week_start_on,
        cast(date_trunc('month', day) as date) as month_start_on,
        cast(date_trunc('quarter', day) as date) as quarter_start_on,
        {{ iso_weekday('day') }} >= 6 as is_weekend,
        {{ add_days('day', 1) }} = cast(date_trunc('month', {{ add_days('day', 1) }}) as date) as is_month_end,
        day <= {{ last_day() }} as is_complete
    from days

)

select * from final
