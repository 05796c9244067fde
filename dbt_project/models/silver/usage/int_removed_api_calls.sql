-- one row per call, day and load with which a file stopped saying it; another file, or another line, may say it still.

with

removed as (

    select
        request_id,
        {{ reporting_date('called_at') }} as date_partition,
        load_id
    from {{ ref('stg_usage__removed_calls') }}
    where request_id is not null

),

final as (

    select
        request_id,
        date_partition,
        load_id
    from removed
    group by request_id, date_partition, load_id

)

select * from final
