-- one row per month and length of interval (1, 3, 6, 12 months ending with it): what became of the customers paying at its start
with retention as (
    select * from {{ ref('fact_customer_retention') }}
),

kept as (
    select
        month,
        interval_months,
        is_complete,
        {{ simple_metrics([
            'interval_start_customers', 'interval_lost_customers', 'interval_start_mrr', 'interval_end_mrr', 'interval_kept_mrr',
            'interval_expansion_mrr', 'interval_contraction_mrr', 'interval_churn_mrr', 'interval_reactivation_mrr',
        ]) }}
    from retention
    group by month, interval_months, is_complete
),

final as (
    select
        {{ md5_id(['month', 'interval_months']) }} as id,
        month as month_start_on,
        interval_months,
        is_complete,
        cast(interval_start_customers as bigint) as start_customers,
        cast(interval_lost_customers as bigint) as churned_customers,
        cast(interval_start_mrr as decimal(28, 6)) as start_mrr_reporting_minor,
        cast(interval_end_mrr as decimal(28, 6)) as end_mrr_reporting_minor,
        cast(interval_kept_mrr as decimal(28, 6)) as kept_mrr_reporting_minor,
        cast({{ metric('logo_churn') }} as double) as logo_churn_rate,
        cast({{ metric('nrr') }} as double) as nrr,
        cast({{ metric('grr') }} as double) as grr,
        cast({{ metric('gross_mrr_churn') }} as double) as gross_mrr_churn_rate,
        cast({{ metric('net_mrr_churn') }} as double) as net_mrr_churn_rate,
        cast({{ metric('movement_gross_churn') }} as double) as movement_gross_churn_rate,
        cast({{ metric('movement_net_churn') }} as double) as movement_net_churn_rate,
        cast({{ metric('movement_net_retention') }} as double) as movement_net_retention_rate
    from kept
)

select * from final
