-- one row per landed record of a event: re-sent and older versions too
{% set columns = stripe_head('fields') ~ ',' ~ stripe_event('fields') %}
with source as (
    select * from {{ source('stripe', 'events') }}
),

opened as (
    select
        {{ opened('_raw', columns ~ field('fields', 'data')) }},
        {{- landing_columns() }}
    from source
),

-- an event is large, and nearly all of it is the object: each level is opened once
opened_data as (
    select
        *,
        {{ opened_fields(field('fields', 'data'), ['object', 'previous_attributes']) }} as data_fields
    from opened
),

opened_objects as (
    select
        *,
        {{ opened_fields(field('data_fields', 'object'), ['object', 'id']) }} as object_fields
    from opened_data
),

final as (
    select
        {{- columns }},
        {{ field('object_fields', 'object') }} as object_type,
        {{ field('object_fields', 'id') }} as subject_id,
        {{ field('data_fields', 'object') }} as object_json,
        {{ field('data_fields', 'previous_attributes') }} as previous_json,
        raw_json,
        extracted_at,
        load_id
    from opened_objects
)

select * from final
