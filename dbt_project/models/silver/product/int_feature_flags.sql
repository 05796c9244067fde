-- one row per account and feature: the flag as it stands now.

with

newest as (

    {{ newest_version(ref('stg_product__feature_flags'), 'flag_id', ['updated_at'], ['account_id', 'feature', 'is_enabled']) }}

),

final as (

    select
        flag_id,
        account_id as customer_id,
        feature,
        is_enabled,
        updated_at
    from newest

)

select * from final
