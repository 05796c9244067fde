-- one row per month: the MRR bridge in the reporting currency, and what is made of it (ARR, ARPA, ARPU, quick ratio, LTV, CAC)
with customer_months as (
    select * from {{ ref('fact_customer_months') }}
),

movements as (
    select * from {{ ref('fact_mrr_movements') }}
),

revenue as (
    select * from {{ ref('fact_revenue') }}
),

-- spend and CAC have one definition, and it stands there
acquisition as (
    select * from {{ ref('kpi_acquisition_monthly') }}
),

retention as (
    select * from {{ ref('kpi_retention_monthly') }}
    where interval_months = 1
),

currencies as (
    select * from {{ ref('currencies') }}
),

bridges as (
    select
        month,
        is_complete,
        sum(opening_mrr_reporting_minor) as opening_minor,
        {%- for type in ['new', 'expansion', 'contraction', 'churn', 'reactivation', 'fx'] %}
        sum({{ type }}_reporting_minor) as {{ type }}_minor,
        {%- endfor %}
        sum(closing_mrr_reporting_minor) as closing_minor,
        count(distinct case when opening_mrr_minor > 0 then customer_id end) as opening_customers,
        count(distinct case when closing_mrr_minor > 0 then customer_id end) as paying_customers
    from customer_months
    group by month, is_complete
),

joined as (
    select
        {{ month_of('date_partition') }} as month,
        count(distinct case when movement_type = 'new' then customer_id end) as new_customers,
        count(distinct case when movement_type = 'churn' then customer_id end) as churned_customers,
        count(distinct case when movement_type = 'reactivation' then customer_id end) as reactivated_customers
    from movements
    group by {{ month_of('date_partition') }}
),

revenues as (
    select
        {{ month_of('date_partition') }} as month,
        sum(amount_reporting_minor) as revenue_minor
    from revenue
    group by {{ month_of('date_partition') }}
),

-- mean logo churn of the six complete months before; fewer than six give no LTV
churn_means as (
    select
        bridges.month,
        avg(retention.logo_churn_rate) as mean_logo_churn,
        count(*) as months
    from bridges
    inner join retention
        on
            retention.is_complete
            and retention.month_start_on < bridges.month
            and retention.month_start_on >= cast({{ add_months('bridges.month', -6) }} as date)
    group by bridges.month
),

put_together as (
    select
        bridges.*,
        reporting.exponent,
        coalesce(joined.new_customers, 0) as new_customers,
        coalesce(joined.churned_customers, 0) as churned_customers,
        coalesce(joined.reactivated_customers, 0) as reactivated_customers,
        coalesce(revenues.revenue_minor, 0) as revenue_minor,
        coalesce(acquisition.spend_reporting_minor, 0) as spend_minor,
        {{ rate('bridges.closing_minor', 'bridges.paying_customers') }} as arpa,
        {{ rate('coalesce(revenues.revenue_minor, 0)', 'bridges.paying_customers') }} as arpu,
        case when churn_means.months = 6 then churn_means.mean_logo_churn end as mean_logo_churn,
        acquisition.cac_reporting_minor as cac
    from bridges
    left join joined
        on bridges.month = joined.month
    left join revenues
        on bridges.month = revenues.month
    left join acquisition
        on bridges.month = acquisition.month_start_on
    left join churn_means
        on bridges.month = churn_means.month
    left join currencies as reporting
        on reporting.currency = '{{ var("reporting_currency") }}'
),

final as (
    select
        {{ md5_id(['month']) }} as id,
        month as month_start_on,
        is_complete,
        cast(opening_minor as decimal(28, 6)) as opening_mrr_reporting_minor,
        {%- for type in ['new', 'expansion', 'contraction', 'churn', 'reactivation', 'fx'] %}
        cast({{ type }}_minor as decimal(28, 6)) as {{ type }}_reporting_minor,
        {%- endfor %}
        cast(closing_minor as decimal(28, 6)) as mrr_reporting_minor,
        cast(12 * closing_minor as decimal(28, 6)) as arr_reporting_minor,
        {{ for_people('closing_minor', 'exponent') }} as mrr_amount,
        cast(12 * {{ for_people('closing_minor', 'exponent') }} as decimal(28, 6)) as arr_amount,
        cast(opening_customers as bigint) as opening_customers,
        cast(new_customers as bigint) as new_customers,
        cast(churned_customers as bigint) as churned_customers,
        cast(reactivated_customers as bigint) as reactivated_customers,
        cast(paying_customers as bigint) as paying_customers,
        cast(revenue_minor as decimal(28, 6)) as revenue_reporting_minor,
        cast(spend_minor as decimal(28, 6)) as spend_reporting_minor,
        arpa as arpa_minor,
        arpu as arpu_minor,
        mean_logo_churn as mean_logo_churn_6m,
        cast(arpa / nullif(mean_logo_churn, 0) * {{ var('gross_margin') }} as double) as ltv_minor,
        cac as cac_minor,
        cast(cac / nullif(arpa * {{ var('gross_margin') }}, 0) as double) as cac_payback_months,
        cast(arpa / nullif(mean_logo_churn, 0) * {{ var('gross_margin') }} / nullif(cac, 0) as double) as ltv_to_cac,
        {{ rate('new_minor + expansion_minor', '-(contraction_minor + churn_minor)') }} as quick_ratio,
        {{ rate('new_minor + expansion_minor + reactivation_minor', '-(contraction_minor + churn_minor)') }}
            as quick_ratio_with_reactivation
    from put_together
)

select * from final
