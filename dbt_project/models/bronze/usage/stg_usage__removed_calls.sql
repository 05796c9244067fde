-- one row per record that a file of the usage log said in an earlier load and says no longer.

with

landed as (

    select
        {{ json_fields('raw', ['request_id', 'timestamp']) }} as record,
        load_id
    from {{ source('landing_usage', 'tombstones') }}
    where stream = 'api_calls'

),

final as (

    select
        {{ field('record', 'request_id') }} as request_id,
        {{ parse_instant(field('record', 'timestamp')) }} as called_at,
        load_id
    from landed

)

select * from final
