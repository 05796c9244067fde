-- one row per experiment and exposed customer, by its first exposure, with what it converted since.

with

exposures as (

    select * from {{ ref('int_experiment_exposures') }}

),

conversions as (

    select * from {{ ref('int_experiment_conversions') }}

),

customers as (

    select customer_id from {{ ref('dim_customers') }}

),

rates as (

    select * from {{ ref('int_fx_rates') }}

),

currencies as (

    select * from {{ ref('currencies') }}

),

first_exposures as (

    select
        experiment,
        customer_id,
        {{ arg_min('variant', '(exposed_at, exposure_id)') }} as variant,
        min(exposed_at) as exposed_at,
        count(*) as exposures,
        count(distinct variant) as variants_seen
    from exposures
    group by experiment, customer_id

),

valued_conversions as (

    select
        conversions.experiment,
        conversions.customer_id,
        conversions.converted_at,
        {{ to_reporting(
            'conversions.value_minor',
            rate_or_error('rates.rate_to_reporting', 'conversions.currency', reporting_date('conversions.converted_at')),
            'currencies.exponent', 'reporting.exponent',
        ) }} as value_reporting_minor
    from conversions
    left join currencies
        on conversions.currency = currencies.currency
    left join currencies as reporting
        on reporting.currency = '{{ var("reporting_currency") }}'
    left join rates
        on
            {{ reporting_date('conversions.converted_at') }} = rates.date
            and conversions.currency = rates.currency

),

-- what happened before the exposure is not its effect
conversions_since as (

    select
        first_exposures.experiment,
        first_exposures.customer_id,
        count(*) as conversions,
        min(valued_conversions.converted_at) as first_converted_at,
        sum(valued_conversions.value_reporting_minor) as value_reporting_minor
    from first_exposures
    inner join valued_conversions
        on
            first_exposures.experiment = valued_conversions.experiment
            and first_exposures.customer_id = valued_conversions.customer_id
            and first_exposures.exposed_at <= valued_conversions.converted_at
    group by first_exposures.experiment, first_exposures.customer_id

),

final as (

    select
        {{ md5_id(['first_exposures.experiment', 'first_exposures.customer_id']) }} as id,
        first_exposures.experiment,
        first_exposures.variant,
        coalesce(customers.customer_id, 'unknown') as customer_id,
        first_exposures.customer_id as source_customer_id,
        cast(first_exposures.exposures as bigint) as exposures,
        first_exposures.variants_seen > 1 as is_mixed,
        conversions_since.customer_id is not null as is_converted,
        cast(coalesce(conversions_since.conversions, 0) as bigint) as conversions,
        cast(coalesce(conversions_since.value_reporting_minor, 0) as decimal(28, 6)) as value_reporting_minor,
        first_exposures.exposed_at,
        conversions_since.first_converted_at,
        {{ reporting_date('first_exposures.exposed_at') }} as date_partition
    from first_exposures
    left join conversions_since
        on
            first_exposures.experiment = conversions_since.experiment
            and first_exposures.customer_id = conversions_since.customer_id
    left join customers
        on first_exposures.customer_id = customers.customer_id

)

select * from final
