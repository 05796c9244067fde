-- one row per landed comment on a ticket.

with

landed as (

    select
        {{ json_fields('_raw', ['id', 'ticket_id', 'author_id', 'public', 'created_at']) }} as record,
        _load_id,
        _extracted_at
    from {{ source('raw_support', 'ticket_comments') }}

),

final as (

    select
        {{ field('record', 'id') }} as comment_id,
        {{ field('record', 'ticket_id') }} as ticket_id,
        {{ field('record', 'author_id') }} as author_id,
        {{ boolean_text(field('record', 'public')) }} as is_public,
        {{ parse_instant(field('record', 'created_at')) }} as created_at,
        _load_id as load_id,
        _extracted_at as extracted_at
    from landed

)

select * from final
