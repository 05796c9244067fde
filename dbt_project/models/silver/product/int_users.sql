-- one row per user of the product, deleted ones included, as it stands now.

with

newest as (

    {{ newest_version(ref('stg_product__users'), 'user_id', ['updated_at'], ['account_id', 'email', 'user_name', 'role']) }}

),

-- deleted where the last thing told of the user is that the source has it no more
deletions as (

    select
        user_id,
        case when max(load_id) = max(case when removed_at is not null then load_id end) then max(removed_at) end as deleted_at
    from {{ ref('stg_product__users') }}
    group by user_id

),

final as (

    select
        newest.user_id,
        newest.account_id as customer_id,
        newest.email,
        newest.user_name,
        newest.role,
        newest.created_at,
        newest.updated_at,
        deletions.deleted_at
    from newest
    inner join deletions
        on newest.user_id = deletions.user_id

)

select * from final
