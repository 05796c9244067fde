-- title: MRR by tier
-- description: Net monthly recurring revenue at each month's end, by the customer's tier, in the reporting currency; the running month is left out.
-- chart: {kind: area, x: month, y: mrr, color: tier}
with unit as (
    -- minor units in one of the reporting currency: 100 of USD, 1 of JPY, 1000 of KWD
    select round(max(mrr_reporting_minor / nullif(mrr_amount, 0))) as minor_units from gold.kpi_mrr_monthly
)

select
    month_start_on as month,
    value as tier,
    round(mrr_reporting_minor) / unit.minor_units as mrr,
    paying_customers
from gold.kpi_revenue_by_dimension
cross join unit
where dimension = 'tier' and is_complete and mrr_reporting_minor > 0
order by month, tier
