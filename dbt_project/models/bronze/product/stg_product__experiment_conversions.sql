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
        {{ field('record', 'id') }} as conversion_id,
        {{ field('record', 'experiment') }} as experiment,
        {{ field('record', 'account_id') }} as account_id,
        {{ whole_number(field('record', 'value_minor')) }} as value_minor,
        upper({{ field('record', 'currency') }}) as currency,
        {{ parse_instant(field('record', 'converted_at')) }} as converted_at,
        _load_id as load_id,
        _extracted_at as extracted_at
    from landed

)

select * from final
