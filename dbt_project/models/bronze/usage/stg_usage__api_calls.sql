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
        record.request_id as request_id,
        record.customer_id as customer_id,
        record.endpoint as endpoint,
        record.method as method,
        -- what a CSV leaves empty is absent
        nullif(record.feature, '') as feature,
        nullif(record.region, '') as region,
        cast(record.status_code as integer) as status_code,
        cast(record.response_time_ms as decimal(18, 3)) as response_time_ms,
        {{ whole_number('record.bytes_processed') }} as bytes_processed,
        {{ parse_instant('record.' ~ adapter.quote('timestamp')) }} as called_at,
        _load_id as load_id,
        _extracted_at as extracted_at
    from landed

)

select * from final
