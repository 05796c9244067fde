-- one row per satisfaction rating asked for or given.

with

newest as (

    {{ newest_version(ref('stg_support__satisfaction_ratings'), 'rating_id', ['updated_at'], ['ticket_id', 'score', 'created_at']) }}

),

final as (

    select
        rating_id,
        ticket_id,
        requester_id,
        lower(score) as score,
        created_at,
        updated_at
    from newest

)

select * from final
