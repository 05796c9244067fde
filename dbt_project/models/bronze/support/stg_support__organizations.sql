-- one row per landed version of an organisation, one that the source says no more included.

with

records as (

    {{ landed_and_removed('support', 'organizations') }}

),

landed as (

    select
        {{ json_fields('_raw', ['id', 'external_id', 'name', 'created_at', 'updated_at']) }} as record,
        _load_id,
        _extracted_at
    from records

),

final as (

    select
        {{ field('record', 'id') }} as organization_id,
        {{ field('record', 'external_id') }} as external_id,
        {{ field('record', 'name') }} as organization_name,
        {{ parse_instant(field('record', 'created_at')) }} as created_at,
        {{ parse_instant(field('record', 'updated_at')) }} as updated_at,
        _load_id as load_id,
        _extracted_at as extracted_at
    from landed

)

select * from final
