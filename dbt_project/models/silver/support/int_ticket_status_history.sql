-- one row per ticket and interval [valid_from, valid_to) in which its status did not change.

with

tickets as (

    select * from {{ ref('int_tickets') }}

),

changes as (

    select * from {{ ref('int_ticket_events') }}

),

-- several changes within one instant: the last one counts (ids of one ticket's changes grow)
last_changes as (

    select
        ticket_id,
        changed_at,
        {{ arg_max('status', '(length(change_id), change_id)') }} as status,
        {{ arg_min('previous_status', '(length(change_id), change_id)') }} as previous_status
    from changes
    group by ticket_id, changed_at

),

first_changes as (

    select
        ticket_id,
        min(changed_at) as changed_at,
        {{ arg_min('previous_status', 'changed_at') }} as previous_status
    from last_changes
    group by ticket_id

),

newest_changes as (

    select
        ticket_id,
        max(changed_at) as changed_at,
        {{ arg_max('status', 'changed_at') }} as status
    from last_changes
    group by ticket_id

),

points as (

    select
        tickets.ticket_id,
        greatest(last_changes.changed_at, tickets.created_at) as happened_at,
        last_changes.status,
        1 as source_rank
    from last_changes
    inner join tickets
        on last_changes.ticket_id = tickets.ticket_id
    union all
    -- from its creation on: what the first change left behind
    select
        tickets.ticket_id,
        tickets.created_at as happened_at,
        case
            when first_changes.ticket_id is not null then coalesce(first_changes.previous_status, 'new')
            when tickets.status in ('solved', 'closed') then 'new'
            else tickets.status
        end as status,
        0 as source_rank
    from tickets
    left join first_changes
        on tickets.ticket_id = first_changes.ticket_id
    union all
    -- a status that no change told of is known from the ticket's own last update on
    select
        tickets.ticket_id,
        greatest(tickets.updated_at, tickets.created_at) as happened_at,
        tickets.status,
        2 as source_rank
    from tickets
    left join newest_changes
        on tickets.ticket_id = newest_changes.ticket_id
    where
        tickets.status is distinct from newest_changes.status
        and (newest_changes.changed_at is null or tickets.updated_at > newest_changes.changed_at)

),

instants as (

    select
        ticket_id,
        happened_at,
        {{ arg_max('status', 'source_rank') }} as status
    from points
    group by ticket_id, happened_at

),

marked as (

    select
        *,
        lag(status) over (partition by ticket_id order by happened_at) as previous_status
    from instants

),

final as (

    select
        ticket_id,
        status,
        previous_status,
        status in ('new', 'open', 'pending', 'hold') as is_open,
        happened_at as valid_from,
        lead(happened_at) over (partition by ticket_id order by happened_at) as valid_to
    from marked
    where status is distinct from previous_status

)

select * from final
