-- title: Which features are taken up
-- description: Share of active customers that used a feature in 30 days, at each month's end. An association with active customers, never a cause.
-- chart: {kind: line, x: month, y: adoption_rate, color: feature_name}
select
    month_start_on as month,
    feature_name,
    adopting_customers,
    active_customers,
    round(adoption_rate, 4) as adoption_rate
from gold.kpi_feature_adoption_monthly
where is_complete
order by month, feature_name
