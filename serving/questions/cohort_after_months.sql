-- title: Revenue kept of each cohort
-- description: Net revenue retention of the newest twelve cohorts, month by month since their first payment; months that are not over are left out.
-- chart: {kind: line, x: months_since, y: net_revenue_retention, color: cohort}
select
    strftime(cohort_month, '%Y-%m') as cohort,
    months_since,
    cohort_customers,
    round(logo_retention, 3) as logo_retention,
    round(net_revenue_retention, 3) as net_revenue_retention
from gold.kpi_cohorts
where is_complete
    and cohort_month >= (select max(cohort_month) from gold.kpi_cohorts) - interval 12 month
order by cohort, months_since
