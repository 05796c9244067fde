-- one row per support ticket, as it stands now, with the customer it belongs to.

with

newest as (

    {{ newest_version(
        ref('stg_support__tickets'), 'ticket_id', ['updated_at'],
        ['status', 'priority', 'organization_id', 'requester_id', 'assignee_id', 'subject', 'ticket_type', 'created_at'],
    ) }}

),

organizations as (

    select * from {{ ref('int_organizations') }}

),

requesters as (

    select * from {{ ref('int_support_users') }}

),

final as (

    select
        newest.ticket_id,
        coalesce(newest.organization_id, requesters.organization_id) as organization_id,
        -- the organisation's external id is the account; links by e-mail are never guessed
        organizations.customer_id,
        newest.requester_id,
        newest.assignee_id,
        newest.subject,
        lower(newest.status) as status,
        lower(newest.priority) as priority,
        lower(newest.ticket_type) as ticket_type,
        newest.created_at,
        newest.updated_at
    from newest
    left join requesters
        on newest.requester_id = requesters.user_id
    left join organizations
        on coalesce(newest.organization_id, requesters.organization_id) = organizations.organization_id

)

select * from final
