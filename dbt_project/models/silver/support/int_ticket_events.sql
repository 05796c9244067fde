-- one row per change of a ticket's status.

with

newest as (

    {{ newest_version(ref('stg_support__ticket_events'), 'change_id', ['changed_at'], ['ticket_id', 'status', 'previous_status', 'event_id']) }}

),

final as (

    select
        change_id,
        event_id,
        ticket_id,
        updater_id,
        status,
        previous_status,
        changed_at
    from newest

)

select * from final
