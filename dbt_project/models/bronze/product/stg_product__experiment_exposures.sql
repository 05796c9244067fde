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
        record.id as exposure_id,
        record.experiment as experiment,
        record.variant as variant,
        record.account_id as account_id,
        {{ parse_instant('record.exposed_at') }} as exposed_at,
        _load_id as load_id,
        _extracted_at as extracted_at
    from landed

)

select * from final
