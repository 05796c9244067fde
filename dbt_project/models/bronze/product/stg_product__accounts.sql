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
        record.id as account_id,
        record.name as company_name,
        record.email as email,
        record.industry as industry,
        record.country as country,
        record.tier as tier,
        {{ parse_instant('record.signup_at') }} as signup_at,
        {{ parse_instant('record.created_at') }} as created_at,
        {{ parse_instant('record.updated_at') }} as updated_at,
        {{ parse_instant('record.deleted_at') }} as deleted_at,
        _load_id as load_id,
        _extracted_at as extracted_at,
        _removed_at as removed_at
    from landed

)

select * from final
