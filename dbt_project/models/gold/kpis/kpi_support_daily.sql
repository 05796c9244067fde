-- one row per day from the first ticket to the last day that is over.

with

tickets as (

    select * from {{ ref('fact_support_tickets') }}

),

statuses as (

    select
        ticket_id,
        is_open,
        {{ reporting_date('valid_from') }} as from_day,
        {{ reporting_date('valid_to') }} as to_day
    from {{ ref('int_ticket_status_history') }}

),

days as (

    select spine.day
    from {{ date_spine('(select min(date_partition) from ' ~ ref('fact_support_tickets') ~ ')', last_day()) }} as spine

),

created as (

    select
        date_partition as day,
        count(*) as tickets_created,
        {{ percentile('first_reply_minutes', 0.5) }} as first_reply_minutes_median
    from tickets
    group by date_partition

),

solved as (

    select
        {{ reporting_date('solved_at') }} as day,
        count(*) as tickets_solved,
        {{ percentile('resolution_minutes', 0.5) }} as resolution_minutes_median
    from tickets
    where solved_at is not null
    group by {{ reporting_date('solved_at') }}

),

-- open at the end of a day: an open state that began by then and had not ended
backlog_steps as (

    select from_day as day, 1 as step from statuses
    where is_open and (to_day is null or to_day != from_day)
    union all
    select to_day as day, -1 as step from statuses
    where is_open and to_day is not null and to_day != from_day
    union all
    select day, 0 as step from days

),

backlog as (

    select
        day,
        sum(sum(step)) over (order by day) as tickets_open
    from backlog_steps
    group by day

),

final as (

    select
        {{ md5_id(['days.day']) }} as id,
        days.day,
        cast(coalesce(created.tickets_created, 0) as bigint) as tickets_created,
        cast(coalesce(solved.tickets_solved, 0) as bigint) as tickets_solved,
        cast(coalesce(backlog.tickets_open, 0) as bigint) as tickets_open,
        cast(created.first_reply_minutes_median as double) as first_reply_minutes_median,
        cast(solved.resolution_minutes_median as double) as resolution_minutes_median
    from days
    left join created
        on days.day = created.day
    left join solved
        on days.day = solved.day
    left join backlog
        on days.day = backlog.day

)

select * from final
order by day
