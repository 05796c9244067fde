-- one row per user of the support desk.

with

newest as (

    {{ newest_version(ref('stg_support__users'), 'user_id', ['updated_at'], ['role', 'organization_id', 'email', 'user_name']) }}

),

final as (

    select
        user_id,
        organization_id,
        lower(role) as role,
        email,
        user_name,
        created_at,
        updated_at
    from newest

)

select * from final
