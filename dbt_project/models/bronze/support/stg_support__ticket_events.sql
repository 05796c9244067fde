-- one row per landed change of a ticket's status.

with

landed as (

    select
        {{ json_fields('_raw', ['id', 'ticket_id', 'updater_id', 'timestamp', 'created_at']) }} as record,
        _raw,
        _load_id,
        _extracted_at
    from {{ source('raw_support', 'ticket_events') }}

),

child_events as (

    {{ each_element('landed', ['record', '_load_id', '_extracted_at'], '_raw', 'child_events') }}

),

changes as (

    select
        record,
        position as child_position,
        {{ json_fields('element', ['id', 'status', 'previous_value', 'event_type']) }} as change,
        _load_id,
        _extracted_at
    from child_events

),

final as (

    select
        {{ field('record', 'id') }} as event_id,
        coalesce({{ field('change', 'id') }}, {{ field('record', 'id') }} || '-' || child_position) as change_id,
        {{ field('record', 'ticket_id') }} as ticket_id,
        {{ field('record', 'updater_id') }} as updater_id,
        lower({{ field('change', 'status') }}) as status,
        lower({{ field('change', 'previous_value') }}) as previous_status,
        {{ parse_instant('coalesce(' ~ field('record', 'created_at') ~ ', ' ~ field('record', 'timestamp') ~ ')') }} as changed_at,
        _load_id as load_id,
        _extracted_at as extracted_at
    from changes
    where {{ field('change', 'status') }} is not null

)

select * from final
