-- one row per landed line of the usage log, deliveries of the same call included.

with

landed as (

    select
        {{ opened_fields('_raw', ['request_id', 'customer_id', 'endpoint', 'method', 'feature', 'region', 'status_code', 'response_time_ms', 'bytes_processed', 'timestamp']) }} as record,
        _load_id,
        _extracted_at
    from {{ source('raw_usage', 'api_calls') }}

),

final as (

    select
        {{ field('record', 'request_id') }} as request_id,
        {{ field('record', 'customer_id') }} as customer_id,
        {{ field('record', 'endpoint') }} as endpoint,
        {{ field('record', 'method') }} as method,
        -- what a CSV leaves empty is absent
        nullif({{ field('record', 'feature') }}, '') as feature,
        nullif({{ field('record', 'region') }}, '') as region,
        cast({{ field('record', 'status_code') }} as integer) as status_code,
        cast({{ field('record', 'response_time_ms') }} as decimal(18, 3)) as response_time_ms,
        {{ whole_number(field('record', 'bytes_processed')) }} as bytes_processed,
        {{ parse_instant(field('record', 'timestamp')) }} as called_at,
        _load_id as load_id,
        _extracted_at as extracted_at
    from landed

)

select * from final
