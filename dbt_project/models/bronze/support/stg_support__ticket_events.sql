-- one row per landed change of a ticket's status.

with

landed as (

    select
        {{ json_fields('_raw', ['id', 'ticket_id', 'updater_id', 'timestamp', 'created_at']) }} as record,
        {{ json_elements('_raw', 'child_events') }} as child_events,
        _load_id,
        _extracted_at
    from {{ source('raw_support', 'ticket_events') }}

),

changes as (

    select
        landed.record,
        child_event.position as child_position,
        {{ json_fields('child_event.value', ['id', 'status', 'previous_value', 'event_type']) }} as change,
        landed._load_id,
        landed._extracted_at
    from landed
    cross join {{ unnest_list('landed.child_events', 'child_event') }}

),

final as (

    select
        record.id as event_id,
        coalesce(change.id, record.id || '-' || child_position) as change_id,
        record.ticket_id,
        record.updater_id,
        lower(change.status) as status,
        lower(change.previous_value) as previous_status,
        {{ parse_instant('coalesce(record.created_at, record.' ~ adapter.quote('timestamp') ~ ')') }} as changed_at,
        _load_id as load_id,
        _extracted_at as extracted_at
    from changes
    where change.status is not null

)

select * from final
