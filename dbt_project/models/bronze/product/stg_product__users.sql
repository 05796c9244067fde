-- one row per landed version of a product user, one that the source says no more included.

with

records as (

    {{ landed_and_removed('product', 'users') }}

),

landed as (

    select
        {{ json_fields('_raw', ['id', 'account_id', 'email', 'name', 'role', 'created_at', 'updated_at']) }} as record,
        _load_id,
        _extracted_at,
        _removed_at
    from records

),

final as (

    select
        record.id as user_id,
        record.account_id as account_id,
        record.email as email,
        record.name as user_name,
        record.role as role,
        {{ parse_instant('record.created_at') }} as created_at,
        {{ parse_instant('record.updated_at') }} as updated_at,
        _load_id as load_id,
        _extracted_at as extracted_at,
        _removed_at as removed_at
    from landed

)

select * from final
