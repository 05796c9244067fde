-- one row per landed record of a event: re-sent and older versions too
{% set columns = stripe_head('fields') ~ ',' ~ stripe_event('fields') %}
with source as (
    select * from {{ source('stripe', 'events') }}
),

opened as (
    select
        {{ opened('_raw', columns ~ 'fields.' ~ adapter.quote('data')) }},
        {{- landing_columns() }}
    from source
),

-- an event is large, and nearly all of it is the object: each level is opened once
opened_data as (
    select
        *,
        {{ opened_fields('fields.' ~ adapter.quote('data'), ['object', 'previous_attributes']) }} as data_fields
    from opened
),

opened_objects as (
    select
        *,
        {{ opened_fields('data_fields.' ~ adapter.quote('object'), ['object', 'id']) }} as object_fields
    from opened_data
),

final as (
    select
        {{- columns }},
        object_fields.{{ adapter.quote('object') }} as object_type,
        object_fields.{{ adapter.quote('id') }} as subject_id,
        data_fields.{{ adapter.quote('object') }} as object_json,
        data_fields.{{ adapter.quote('previous_attributes') }} as previous_json,
        raw_json,
        extracted_at,
        load_id
    from opened_objects
)

select * from final
