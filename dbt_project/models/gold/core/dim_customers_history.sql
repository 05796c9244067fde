-- one row per customer and interval [valid_from, valid_to) in which what the product knows of it did not change.

with

versions as (

    select * from {{ ref('int_account_versions') }}

),

final as (

    select
        {{ md5_id(['customer_id', 'valid_from']) }} as id,
        customer_id,
        email,
        company_name,
        industry,
        country,
        tier,
        is_deleted,
        valid_to is null as is_current,
        valid_from,
        valid_to
    from versions

)

select * from final
