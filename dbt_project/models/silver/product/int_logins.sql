-- one row per login to the product.

with

newest as (

    {{ newest_version(ref('stg_product__logins'), 'login_id', ['logged_in_at'], ['account_id', 'user_id', 'session_seconds']) }}

),

final as (

    select
        login_id,
        user_id,
        account_id as customer_id,
        session_seconds,
        logged_in_at
    from newest

)

select * from final
