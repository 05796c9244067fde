-- one row per landed exposure of an account to an experiment.

with

landed as (

    select
        {{ json_fields('_raw', ['id', 'experiment', 'variant', 'account_id', 'exposed_at']) }} as record,
        _load_id,
        _extracted_at
    from {{ source('raw_product', 'experiment_exposures') }}

),

final as (

    select
        {{ field('record', 'id') }} as exposure_id,
        {{ field('record', 'experiment') }} as experiment,
        {{ field('record', 'variant') }} as variant,
        {{ field('record', 'account_id') }} as account_id,
        {{ parse_instant(field('record', 'exposed_at')) }} as exposed_at,
        _load_id as load_id,
        _extracted_at as extracted_at
    from landed

)

select * from final
