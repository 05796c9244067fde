-- one row per date of scoring, version of the model and risk band.
{{ config(tags=['after_ml']) }}

with

scores as (

    select * from {{ ref('customer_churn_scores') }}

),

bands as (

    select
        as_of_date,
        model_version,
        risk_band,
        count(*) as customers,
        sum(mrr_at_risk_reporting_minor) as mrr_at_risk_reporting_minor,
        avg(churn_probability) as churn_probability_mean
    from scores
    group by as_of_date, model_version, risk_band

),

final as (

    select
        {{ md5_id(['as_of_date', 'model_version', 'risk_band']) }} as id,
        as_of_date,
        model_version,
        risk_band,
        cast(customers as bigint) as customers,
        cast(mrr_at_risk_reporting_minor as decimal(28, 6)) as mrr_at_risk_reporting_minor,
        cast(churn_probability_mean as double) as churn_probability_mean
    from bands

)

select * from final
order by as_of_date, model_version, risk_band
