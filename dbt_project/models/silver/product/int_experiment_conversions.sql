-- one row per conversion of an account in an experiment.

with

newest as (

    {{ newest_version(ref('stg_product__experiment_conversions'), 'conversion_id', ['converted_at'], ['experiment', 'account_id', 'value_minor', 'currency']) }}

),

final as (

    select
        conversion_id,
        experiment,
        account_id as customer_id,
        value_minor,
        currency,
        converted_at
    from newest

)

select * from final
