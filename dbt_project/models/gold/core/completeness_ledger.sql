-- one row per source, stream and day (of the reporting time zone): how much of it is here, and whether that is all of it.
--
-- A day is complete when it was over before the instant up to which its stream is. One that is over elsewhere in the warehouse and
-- has nothing of this stream is missing. A complete day without rows is a gap too where the stream is steady: that weekday had
-- `steady_stream_rows` at least in seven of the eight weeks before.

with

streams as (

    select
        source,
        stream,
        complete_through
    from {{ ref('int_complete_through') }}

),

rows_of_days as (

    select * from {{ ref('int_stream_days') }}

),

newest as (

    select
        max(complete_through) as newest_through,
        {{ reporting_date("max(complete_through) - interval '1' second") }} as newest_day
    from streams

),

first_days as (

    select
        streams.source,
        streams.stream,
        streams.complete_through,
        coalesce(
            min(rows_of_days.date_day),
            {{ reporting_date("streams.complete_through - interval '1' second") }},
            max(newest.newest_day)
        ) as first_day,
        count(rows_of_days.date_day) > 0 as is_dated
    from streams
    cross join newest
    left join rows_of_days
        on
            streams.source = rows_of_days.source
            and streams.stream = rows_of_days.stream
    group by streams.source, streams.stream, streams.complete_through

),

bounds as (

    select
        (select min(first_day) from first_days) as first_day,
        greatest(
            (select newest_day from newest),
            (select max(date_day) from rows_of_days)
        ) as last_day

),

days as (

    select
        spine.day as date_day,
        {{ day_start(add_days('spine.day', 1)) }} as ends_at
    from {{ date_spine('(select first_day from bounds)', '(select last_day from bounds)') }} as spine

),

stream_days as (

    select
        first_days.source,
        first_days.stream,
        first_days.complete_through,
        days.date_day,
        days.ends_at <= newest.newest_through as is_over,
        coalesce(days.ends_at <= first_days.complete_through, false) as is_complete,
        case when first_days.is_dated then coalesce(rows_of_days.row_count, 0) end as row_count
    from first_days
    cross join newest
    inner join days
        on first_days.first_day <= days.date_day
    left join rows_of_days
        on
            first_days.source = rows_of_days.source
            and first_days.stream = rows_of_days.stream
            and days.date_day = rows_of_days.date_day

),

weekdays as (

    select
        *,
        coalesce(
            sum(case when row_count >= {{ var('steady_stream_rows') }} then 1 else 0 end) over (
                partition by source, stream, {{ iso_weekday('date_day') }}
                order by date_day
                rows between 8 preceding and 1 preceding
            ),
            0
        ) >= 7 as is_steady
    from stream_days

),

states as (

    select
        source,
        stream,
        complete_through,
        date_day,
        row_count,
        case
            when is_complete and row_count = 0 and is_steady then 'empty'
            when is_complete then 'complete'
            when is_over and coalesce(row_count, 0) = 0 then 'missing'
            else 'partial'
        end as state
    from weekdays

),

final as (

    select
        {{ md5_id(['source', 'stream', 'date_day']) }} as id,
        source,
        stream,
        date_day,
        cast(row_count as bigint) as row_count,
        state,
        state in ('missing', 'empty') as is_gap,
        complete_through
    from states

)

select * from final
