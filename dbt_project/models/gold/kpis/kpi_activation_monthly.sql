-- one row per month of signup.
--
-- Activation = first successful call. Onboarding is completed by a customer who activates within {{ var('activation_days') }} days
-- of signup; a month whose last customers still have time is incomplete.

with

customers as (

    select
        customer_id,
        {{ reporting_date('signup_date') }} as signup_on,
        signup_date,
        activated_at,
        case when activated_at is not null then greatest({{ seconds_between('signup_date', 'activated_at') }}, 0) end as seconds_to_first_value
    from {{ ref('dim_customers') }}
    where customer_source = 'product'

),

months as (

    select
        cast(date_trunc('month', signup_on) as date) as month_start_on,
        max(signup_on) as last_signup_on,
        count(*) as signups,
        count(activated_at) as activated_customers,
        count(*) filter (where seconds_to_first_value <= {{ var('activation_days') }} * 86400) as onboarded_customers,
        {{ percentile('seconds_to_first_value', 0.5) }} / 3600.0 as time_to_first_value_hours_median
    from customers
    group by cast(date_trunc('month', signup_on) as date)

),

final as (

    select
        {{ md5_id(['month_start_on']) }} as id,
        month_start_on,
        {{ add_days('last_day(month_start_on)', var('activation_days')) }} <= {{ last_day() }} as is_complete,
        cast(signups as bigint) as signups,
        cast(activated_customers as bigint) as activated_customers,
        cast(onboarded_customers as bigint) as onboarded_customers,
        cast({{ metric('activation_rate') }} as double) as activation_rate,
        cast({{ metric('onboarding_completion_rate') }} as double) as onboarding_completion_rate,
        cast(time_to_first_value_hours_median as double) as time_to_first_value_hours_median
    from months

)

select * from final
order by month_start_on
