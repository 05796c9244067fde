-- title: MRR by tier
-- description: Net monthly recurring revenue at each month's end, by the customer's tier; the running month is left out.
-- chart: {kind: area, x: month, y: mrr, color: tier}
select
    month_start_on as month,
    value as tier,
    -- minor units of a currency with two decimals
    round(mrr_reporting_minor / 100, 2) as mrr,
    paying_customers
from gold.kpi_revenue_by_dimension
where dimension = 'tier' and is_complete and mrr_reporting_minor > 0
order by month, tier
