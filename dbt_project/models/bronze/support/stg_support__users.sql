-- one row per landed version of a support user (agent, admin or end user), one that the source says no more included.

with

records as (

    {{ landed_and_removed('support', 'users') }}

),

landed as (

    select
        {{ json_fields('_raw', ['id', 'organization_id', 'role', 'email', 'name', 'created_at', 'updated_at']) }} as record,
        _load_id,
        _extracted_at
    from records

),

final as (

    select
        {{ field('record', 'id') }} as user_id,
        {{ field('record', 'organization_id') }} as organization_id,
        {{ field('record', 'role') }} as role,
        {{ field('record', 'email') }} as email,
        {{ field('record', 'name') }} as user_name,
        {{ parse_instant(field('record', 'created_at')) }} as created_at,
        {{ parse_instant(field('record', 'updated_at')) }} as updated_at,
        _load_id as load_id,
        _extracted_at as extracted_at
    from landed

)

select * from final
