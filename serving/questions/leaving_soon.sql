-- title: Who may leave, by MRR at risk
-- description: The twenty customers with the most revenue at risk in the next 30 days, with the strongest reasons and what to do. Customers whose end is already set are left out.
-- chart: {kind: bar, x: company_name, y: mrr_at_risk}
select
    c.company_name,
    c.tier,
    s.risk_band,
    round(s.churn_probability, 3) as churn_probability,
    round(s.mrr_reporting_minor / 100, 2) as mrr,
    round(s.mrr_at_risk_reporting_minor / 100, 2) as mrr_at_risk,
    s.factor_1_name,
    s.factor_1_value,
    s.factor_2_name,
    s.recommended_action,
    c.customer_id
from gold.customer_churn_scores as s
join gold.dim_customers as c using (customer_id)
where s.is_latest and not s.is_end_already_set and s.mrr_reporting_minor > 0
order by s.mrr_at_risk_reporting_minor desc
limit 20
