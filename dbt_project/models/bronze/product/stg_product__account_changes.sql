-- one row per landed change of one field of an account.

with

landed as (

    select
        {{ json_fields('_raw', ['id', 'account_id', 'field', 'old_value', 'new_value', 'changed_at']) }} as record,
        _load_id,
        _extracted_at
    from {{ source('raw_product', 'account_changes') }}

),

final as (

    select
        {{ field('record', 'id') }} as change_id,
        {{ field('record', 'account_id') }} as account_id,
        {{ field('record', 'field') }} as field,
        {{ field('record', 'old_value') }} as old_value,
        {{ field('record', 'new_value') }} as new_value,
        {{ parse_instant(field('record', 'changed_at')) }} as changed_at,
        _load_id as load_id,
        _extracted_at as extracted_at
    from landed

)

select * from final
