-- one row per landed version of a satisfaction rating.

with

landed as (

    select
        {{ json_fields('_raw', ['id', 'ticket_id', 'requester_id', 'score', 'created_at', 'updated_at']) }} as record,
        _load_id,
        _extracted_at
    from {{ source('raw_support', 'satisfaction_ratings') }}

),

final as (

    select
        {{ field('record', 'id') }} as rating_id,
        {{ field('record', 'ticket_id') }} as ticket_id,
        {{ field('record', 'requester_id') }} as requester_id,
        {{ field('record', 'score') }} as score,
        {{ parse_instant(field('record', 'created_at')) }} as created_at,
        {{ parse_instant(field('record', 'updated_at')) }} as updated_at,
        _load_id as load_id,
        _extracted_at as extracted_at
    from landed

)

select * from final
