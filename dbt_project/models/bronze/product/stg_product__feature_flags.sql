-- one row per landed version of a feature flag of an account.

with

landed as (

    select
        {{ json_fields('_raw', ['id', 'account_id', 'feature', 'enabled', 'updated_at']) }} as record,
        _load_id,
        _extracted_at
    from {{ source('raw_product', 'feature_flags') }}

),

final as (

    select
        {{ field('record', 'id') }} as flag_id,
        {{ field('record', 'account_id') }} as account_id,
        {{ field('record', 'feature') }} as feature,
        {{ boolean_text(field('record', 'enabled')) }} as is_enabled,
        {{ parse_instant(field('record', 'updated_at')) }} as updated_at,
        _load_id as load_id,
        _extracted_at as extracted_at
    from landed

)

select * from final
