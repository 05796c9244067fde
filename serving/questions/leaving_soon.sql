-- title: Who may leave, by MRR at risk
-- description: The twenty customers with the most revenue at risk in the next 30 days, with the strongest reasons and what to do. Customers whose end is already set are left out. Amounts are in the reporting currency.
-- chart: {kind: bar, x: company_name, y: mrr_at_risk}
with unit as (
    -- minor units in one of the reporting currency: 100 of USD, 1 of JPY, 1000 of KWD
    select round(max(mrr_reporting_minor / nullif(mrr_amount, 0))) as minor_units from gold.kpi_mrr_monthly
)

select
    c.company_name,
    c.tier,
    s.risk_band,
    round(s.churn_probability, 3) as churn_probability,
    round(s.mrr_reporting_minor) / unit.minor_units as mrr,
    round(s.mrr_at_risk_reporting_minor) / unit.minor_units as mrr_at_risk,
    s.factor_1_name,
    s.factor_1_value,
    s.factor_2_name,
    s.recommended_action,
    c.customer_id
from gold.customer_churn_scores as s
join gold.dim_customers as c using (customer_id)
cross join unit
where s.is_latest and not s.is_end_already_set and s.mrr_reporting_minor > 0
order by s.mrr_at_risk_reporting_minor desc
limit 20
