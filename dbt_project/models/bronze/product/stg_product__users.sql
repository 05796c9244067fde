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
        {{ field('record', 'id') }} as user_id,
        {{ field('record', 'account_id') }} as account_id,
        {{ field('record', 'email') }} as email,
        {{ field('record', 'name') }} as user_name,
        {{ field('record', 'role') }} as role,
        {{ parse_instant(field('record', 'created_at')) }} as created_at,
        {{ parse_instant(field('record', 'updated_at')) }} as updated_at,
        _load_id as load_id,
        _extracted_at as extracted_at,
        _removed_at as removed_at
    from landed

)

select * from final
