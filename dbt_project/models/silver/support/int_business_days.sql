-- one row per calendar day of the support desk's time zone: when it is open, and how many business seconds lie before it.

with

schedule as (

    select * from {{ ref('support_schedule') }}

),

holidays as (

    select distinct cast(holiday_on as date) as holiday_on from {{ ref('support_holidays') }}

),

bounds as (

    select
        {{ add_days('cast(min(created_at) as date)', -7) }} as first_day,
        {{ add_days('cast(' ~ as_of() ~ ' as date)', 7) }} as final_day
    from {{ ref('int_tickets') }}

),

days as (

    select spine.day
    from {{ date_spine('(select first_day from bounds)', '(select final_day from bounds)') }} as spine
    where spine.day is not null

),

windows as (

    select
        days.day,
        case when holidays.holiday_on is null then schedule.opens end as opens,
        case when holidays.holiday_on is null then schedule.closes end as closes
    from days
    left join schedule
        on {{ iso_weekday('days.day') }} = schedule.weekday
    left join holidays
        on days.day = holidays.holiday_on

),

instants as (

    select
        day,
        {{ utc_time("cast(cast(day as " ~ dbt.type_string() ~ ") || ' ' || coalesce(opens, '00:00:00') as timestamp)", "'" ~ var('support_timezone') ~ "'") }} as opens_at,
        {{ utc_time("cast(cast(day as " ~ dbt.type_string() ~ ") || ' ' || coalesce(closes, '00:00:00') as timestamp)", "'" ~ var('support_timezone') ~ "'") }} as closes_at
    from windows

),

lengths as (

    select
        *,
        {{ seconds_between('opens_at', 'closes_at') }} as business_seconds
    from instants

),

final as (

    select
        day,
        opens_at,
        closes_at,
        business_seconds,
        cast(sum(business_seconds) over (order by day rows between unbounded preceding and current row) - business_seconds as bigint)
            as business_seconds_before
    from lengths

)

select * from final
