-- one row per month: the MRR bridge in the reporting currency, and what is made of it (ARR, ARPA, ARPU, quick ratio, LTV, CAC)
{% set of_the_bridge = [
    'opening_mrr', 'new_mrr', 'expansion_mrr', 'contraction_mrr', 'churn_mrr', 'reactivation_mrr', 'fx_mrr', 'mrr', 'list_mrr',
    'opening_customers', 'new_customers', 'churned_customers', 'reactivated_customers', 'paying_customers',
] %}
with customer_months as (
    select * from {{ ref('fact_customer_months') }}
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
        {{ simple_metrics(of_the_bridge) }}
    from customer_months
    group by month
),

bounds as (
    select min(month) as first_month from bridges
),

calendar as (
    select
        months.month,
        {{ day_start(next_month('months.month')) }} <= {{ as_of() }} as is_complete
    from {{ month_spine("(select first_month from bounds)", month_of(last_known_day())) }} as months
),

revenues as (
    select
        {{ month_of('date_partition') }} as month,
        {{ simple_metrics(['net_revenue']) }}
    from revenue
    group by {{ month_of('date_partition') }}
),

-- LTV looks back on months before the first bridge
months as (
    select month from calendar
    union
    select month_start_on as month from retention
),

put_together as (
    select
        months.month,
        calendar.is_complete,
        -- a month in which nobody pays has no bridge
        {%- for name in of_the_bridge %}
        coalesce(bridges.{{ name }}, 0) as {{ name }},
        {%- endfor %}
        reporting.exponent,
        coalesce(revenues.net_revenue, 0) as net_revenue,
        acquisition.spend_reporting_minor,
        acquisition.cac_reporting_minor as cac,
        retention.logo_churn_rate as logo_churn
    from months
    left join calendar
        on months.month = calendar.month
    left join bridges
        on months.month = bridges.month
    left join revenues
        on months.month = revenues.month
    left join acquisition
        on months.month = acquisition.month_start_on
    left join retention
        on months.month = retention.month_start_on
    left join currencies as reporting
        on reporting.currency = '{{ var("reporting_currency") }}'
),

looked_back as (
    select
        *,
        {{ metric('mean_logo_churn_6m', {'logo_churn': 'logo_churn'}) }} as mean_logo_churn_6m
    from put_together
),

final as (
    {%- set inputs = {
        'mean_logo_churn_6m': 'mean_logo_churn_6m', 'cac': 'cac', 'gross_margin': var('gross_margin') | string,
    } %}
    select
        {{ md5_id(['month']) }} as id,
        month as month_start_on,
        is_complete,
        cast(opening_mrr as decimal(28, 6)) as opening_mrr_reporting_minor,
        {%- for type in ['new', 'expansion', 'contraction', 'churn', 'reactivation', 'fx'] %}
        cast({{ type }}_mrr as decimal(28, 6)) as {{ type }}_reporting_minor,
        {%- endfor %}
        cast(mrr as decimal(28, 6)) as mrr_reporting_minor,
        cast(list_mrr as decimal(28, 6)) as list_mrr_reporting_minor,
        cast({{ metric('arr') }} as decimal(28, 6)) as arr_reporting_minor,
        {{ for_people('mrr', 'exponent') }} as mrr_amount,
        cast({{ metric('arr', {'mrr': for_people('mrr', 'exponent')}) }} as decimal(28, 6)) as arr_amount,
        cast(opening_customers as bigint) as opening_customers,
        cast(new_customers as bigint) as new_customers,
        cast(churned_customers as bigint) as churned_customers,
        cast(reactivated_customers as bigint) as reactivated_customers,
        cast(paying_customers as bigint) as paying_customers,
        cast(net_revenue as decimal(28, 6)) as revenue_reporting_minor,
        cast(coalesce(spend_reporting_minor, 0) as decimal(28, 6)) as spend_reporting_minor,
        cast({{ metric('arpa') }} as double) as arpa_minor,
        cast({{ metric('arpu') }} as double) as arpu_minor,
        cast(mean_logo_churn_6m as double) as mean_logo_churn_6m,
        cast({{ metric('ltv', inputs) }} as double) as ltv_minor,
        cac as cac_minor,
        cast({{ metric('cac_payback', inputs) }} as double) as cac_payback_months,
        cast({{ metric('ltv_to_cac', inputs) }} as double) as ltv_to_cac,
        cast({{ metric('quick_ratio') }} as double) as quick_ratio,
        cast({{ metric('quick_ratio_with_reactivation') }} as double) as quick_ratio_with_reactivation
    from looked_back
    where is_complete is not null
)

select * from final
