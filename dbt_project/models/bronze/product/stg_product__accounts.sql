-- one row per landed version of a product account, one that the source says no more included.

with

records as (

    {{ landed_and_removed('product', 'accounts') }}

),

landed as (

    select
        {{ json_fields('_raw', ['id', 'name', 'email', 'industry', 'country', 'tier', 'signup_at', 'created_at', 'updated_at', 'deleted_at']) }} as record,
        _load_id,
        _extracted_at,
        _removed_at
    from records

),

final as (

    select
        {{ field('record', 'id') }} as account_id,
        {{ field('record', 'name') }} as company_name,
        {{ field('record', 'email') }} as email,
        {{ field('record', 'industry') }} as industry,
        {{ field('record', 'country') }} as country,
        {{ field('record', 'tier') }} as tier,
        {{ parse_instant(field('record', 'signup_at')) }} as signup_at,
        {{ parse_instant(field('record', 'created_at')) }} as created_at,
        {{ parse_instant(field('record', 'updated_at')) }} as updated_at,
        {{ parse_instant(field('record', 'deleted_at')) }} as deleted_at,
        _load_id as load_id,
        _extracted_at as extracted_at,
        _removed_at as removed_at
    from landed

)

select * from final
