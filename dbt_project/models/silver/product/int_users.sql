-- one row per user of the product, as it stands now.

with

newest as (

    {{ newest_version(ref('stg_product__users'), 'user_id', ['updated_at'], ['account_id', 'email', 'user_name', 'role']) }}

),

final as (

    select
        user_id,
        account_id as customer_id,
        email,
        user_name,
        role,
        created_at,
        updated_at,
    from newest

)

select * from final
