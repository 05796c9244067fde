-- one row per comment on a ticket.

with

newest as (

    {{ newest_version(ref('stg_support__ticket_comments'), 'comment_id', ['created_at'], ['ticket_id', 'author_id', 'is_public']) }}

),

final as (

    select
        comment_id,
        ticket_id,
        author_id,
        is_public,
        created_at
    from newest

)

select * from final
