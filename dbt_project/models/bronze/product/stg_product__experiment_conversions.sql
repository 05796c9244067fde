-- one row per landed conversion of an account in an experiment.

with

landed as (

    select
        {{ json_fields('_raw', ['id', 'experiment', 'account_id', 'value_minor', 'currency', 'converted_at']) }} as record,
        _load_id,
        _extracted_at
    from {{ source('raw_product', 'experiment_conversions') }}

),

final as (

    select
        record.id as conversion_id,
        record.experiment as experiment,
        record.account_id as account_id,
        {{ whole_number('record.value_minor') }} as value_minor,
        upper(record.currency) as currency,
        {{ parse_instant('record.converted_at') }} as converted_at,
        _load_id as load_id,
        _extracted_at as extracted_at
    from landed

)

select * from final
