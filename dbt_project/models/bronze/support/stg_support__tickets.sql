-- one row per landed version of a support ticket.

with

landed as (

    select
        {{ json_fields('_raw', ['id', 'organization_id', 'requester_id', 'assignee_id', 'subject', 'status', 'priority', 'type', 'created_at', 'updated_at']) }} as record,
        _load_id,
        _extracted_at
    from {{ source('raw_support', 'tickets') }}

),

final as (

    select
        record.id as ticket_id,
        record.organization_id as organization_id,
        record.requester_id as requester_id,
        record.assignee_id as assignee_id,
        record.subject as subject,
        record.status as status,
        record.priority as priority,
        record.{{ adapter.quote('type') }} as ticket_type,
        {{ parse_instant('record.created_at') }} as created_at,
        {{ parse_instant('record.updated_at') }} as updated_at,
        _load_id as load_id,
        _extracted_at as extracted_at
    from landed

)

select * from final
