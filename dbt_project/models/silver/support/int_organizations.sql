-- one row per organisation of the support desk, with the customer it stands for.

with

newest as (

    {{ newest_version(ref('stg_support__organizations'), 'organization_id', ['updated_at'], ['external_id', 'organization_name']) }}

),

final as (

    select
        organization_id,
        external_id as customer_id,
        organization_name,
        created_at,
        updated_at
    from newest

)

select * from final
