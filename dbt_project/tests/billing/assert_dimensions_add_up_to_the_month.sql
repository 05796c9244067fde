-- nobody is left out and nothing counts twice: by each dimension, money adds up to the month's, and so do those an interval started with
with by_dimension as (
    select
        month_start_on,
        dimension,
        sum(mrr_reporting_minor) as mrr_minor,
        sum(list_mrr_reporting_minor) as list_mrr_minor,
        sum(fx_reporting_minor) as fx_minor,
        sum(revenue_reporting_minor) as revenue_minor
    from {{ ref('kpi_revenue_by_dimension') }}
    group by month_start_on, dimension
),

started as (
    {%- for length, suffix in {1: '', 3: '_3m', 6: '_6m', 12: '_12m'}.items() %}
    select
        month_start_on,
        dimension,
        {{ length }} as interval_months,
        sum(start_customers{{ suffix }}) as start_customers,
        sum(kept_mrr_reporting_minor{{ suffix }}) as kept_minor
    from {{ ref('kpi_revenue_by_dimension') }}
    group by month_start_on, dimension
    {{ "union all" if not loop.last }}
    {%- endfor %}
)

select by_dimension.month_start_on, by_dimension.dimension
from by_dimension
inner join {{ ref('kpi_mrr_monthly') }} as months
    on by_dimension.month_start_on = months.month_start_on
where
    by_dimension.mrr_minor <> months.mrr_reporting_minor
    or by_dimension.list_mrr_minor <> months.list_mrr_reporting_minor
    or by_dimension.fx_minor <> months.fx_reporting_minor
    or by_dimension.revenue_minor <> months.revenue_reporting_minor
union all
select started.month_start_on, started.dimension
from started
inner join {{ ref('kpi_retention_monthly') }} as months
    on started.month_start_on = months.month_start_on and started.interval_months = months.interval_months
where
    started.start_customers <> months.start_customers
    or started.kept_minor <> months.kept_mrr_reporting_minor
