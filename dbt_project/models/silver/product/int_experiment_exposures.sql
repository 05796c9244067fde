-- one row per exposure of an account to an experiment.

with

newest as (

    {{ newest_version(ref('stg_product__experiment_exposures'), 'exposure_id', ['exposed_at'], ['experiment', 'variant', 'account_id']) }}

),

final as (

    select
        exposure_id,
        experiment,
        variant,
        account_id as customer_id,
        exposed_at
    from newest

)

select * from final
