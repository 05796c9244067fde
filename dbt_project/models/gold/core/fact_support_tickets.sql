-- one row per support ticket.
--
-- First reply = creation to the first public comment of an agent; resolution = creation to the last solve that held (NULL
-- while it is open). Both in calendar minutes and in minutes of the support schedule (seeds), rounded down.

with

tickets as (

    select * from {{ ref('int_tickets') }}

),

comments as (

    select * from {{ ref('int_ticket_comments') }}

),

agents as (

    select user_id from {{ ref('int_support_users') }}
    where role in ('agent', 'admin')

),

statuses as (

    select * from {{ ref('int_ticket_status_history') }}

),

ratings as (

    select * from {{ ref('int_satisfaction_ratings') }}
    where score like 'good%' or score like 'bad%'

),

business_days as (

    select * from {{ ref('int_business_days') }}

),

customers as (

    select customer_id from {{ ref('dim_customers') }}

),

first_replies as (

    select
        comments.ticket_id,
        min(comments.created_at) as first_replied_at
    from comments
    inner join agents
        on comments.author_id = agents.user_id
    where comments.is_public
    group by comments.ticket_id

),

comment_counts as (

    select
        ticket_id,
        count(*) as comments
    from comments
    group by ticket_id

),

solves as (

    select
        ticket_id,
        min(valid_from) filter (where not is_open) as first_solved_at,
        -- solved and later closed is one solve: the one that followed an open state
        max(valid_from) filter (where not is_open and coalesce(previous_status, 'new') in ('new', 'open', 'pending', 'hold')) as last_solved_at,
        count(*) filter (where is_open and previous_status in ('solved', 'closed')) as reopens,
        {{ arg_max('is_open', 'valid_from') }} as is_open
    from statuses
    group by ticket_id

),

newest_ratings as (

    select
        ticket_id,
        {{ arg_max("case when score like 'good%' then 'good' else 'bad' end", '(updated_at, rating_id)') }} as satisfaction
    from ratings
    group by ticket_id

),

timed as (

    select
        tickets.*,
        first_replies.first_replied_at,
        solves.first_solved_at,
        case when not solves.is_open then solves.last_solved_at end as solved_at,
        coalesce(solves.is_open, true) as is_open,
        coalesce(solves.reopens, 0) as reopens
    from tickets
    left join first_replies
        on tickets.ticket_id = first_replies.ticket_id
    left join solves
        on tickets.ticket_id = solves.ticket_id

),

business_times as (

    select
        timed.ticket_id,
        {{ business_seconds_until('timed.created_at', 'at_creation') }} as seconds_at_creation,
        {{ business_seconds_until('timed.first_replied_at', 'at_reply') }} as seconds_at_reply,
        {{ business_seconds_until('timed.solved_at', 'at_solve') }} as seconds_at_solve
    from timed
    left join business_days as at_creation
        on {{ support_date('timed.created_at') }} = at_creation.day
    left join business_days as at_reply
        on {{ support_date('timed.first_replied_at') }} = at_reply.day
    left join business_days as at_solve
        on {{ support_date('timed.solved_at') }} = at_solve.day

),

final as (

    select
        {{ md5_id(['timed.ticket_id']) }} as id,
        timed.ticket_id,
        coalesce(customers.customer_id, 'unknown') as customer_id,
        timed.customer_id as source_customer_id,
        timed.subject,
        timed.status,
        timed.priority,
        timed.ticket_type,
        newest_ratings.satisfaction,
        timed.is_open,
        timed.reopens > 0 as is_reopened,
        cast(timed.reopens as bigint) as reopen_count,
        cast(coalesce(comment_counts.comments, 0) as bigint) as comment_count,
        {{ whole_quotient(seconds_between('timed.created_at', 'timed.first_replied_at'), 60) }} as first_reply_minutes,
        {{ whole_quotient('business_times.seconds_at_reply - business_times.seconds_at_creation', 60) }} as first_reply_business_minutes,
        {{ whole_quotient(seconds_between('timed.created_at', 'timed.solved_at'), 60) }} as resolution_minutes,
        {{ whole_quotient('business_times.seconds_at_solve - business_times.seconds_at_creation', 60) }} as resolution_business_minutes,
        timed.created_at,
        timed.first_replied_at,
        timed.first_solved_at,
        timed.solved_at,
        timed.updated_at,
        {{ reporting_date('timed.created_at') }} as date_partition
    from timed
    left join business_times
        on timed.ticket_id = business_times.ticket_id
    left join comment_counts
        on timed.ticket_id = comment_counts.ticket_id
    left join newest_ratings
        on timed.ticket_id = newest_ratings.ticket_id
    left join customers
        on timed.customer_id = customers.customer_id

)

select * from final
