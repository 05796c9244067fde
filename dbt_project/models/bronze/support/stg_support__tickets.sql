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
        {{ field('record', 'id') }} as ticket_id,
        {{ field('record', 'organization_id') }} as organization_id,
        {{ field('record', 'requester_id') }} as requester_id,
        {{ field('record', 'assignee_id') }} as assignee_id,
        {{ field('record', 'subject') }} as subject,
        {{ field('record', 'status') }} as status,
        {{ field('record', 'priority') }} as priority,
        {{ field('record', 'type') }} as ticket_type,
        {{ parse_instant(field('record', 'created_at')) }} as created_at,
        {{ parse_instant(field('record', 'updated_at')) }} as updated_at,
        _load_id as load_id,
        _extracted_at as extracted_at
    from landed

)

select * from final
