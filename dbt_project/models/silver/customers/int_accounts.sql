-- one row per account of the product, deleted ones included, as it stands now.

with

newest as (

    {{ newest_version(ref('int_account_sights'), 'account_id', ['updated_at'], ['deleted_at', 'tier', 'company_name', 'email', 'industry', 'country', 'signup_at', 'created_at']) }}

),

final as (

    select
        account_id,
        account_id as customer_id,
        company_name,
        email,
        industry,
        country,
        tier,
        signup_at,
        created_at,
        updated_at,
        deleted_at
    from newest

)

select * from final
