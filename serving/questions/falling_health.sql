-- title: Paying customers whose health fell
-- description: Customers who pay and lost ten points of health or more within 30 days, the largest fall first, with what may be behind it. MRR is in the reporting currency.
with latest as (
    select max(date_partition) as day from gold.fact_customer_health
),

unit as (
    -- minor units in one of the reporting currency: 100 of USD, 1 of JPY, 1000 of KWD
    select round(max(mrr_reporting_minor / nullif(mrr_amount, 0))) as minor_units from gold.kpi_mrr_monthly
)

select
    c.company_name,
    c.tier,
    round(c.mrr_reporting_minor) / unit.minor_units as mrr,
    before.health_score as health_before,
    now.health_score as health_now,
    now.health_score - before.health_score as change,
    now.api_calls_last_30d as calls_30d,
    before.api_calls_last_30d as calls_30d_before,
    now.support_tickets_open,
    now.payment_status,
    c.customer_id
from latest
join gold.fact_customer_health as now on now.date_partition = latest.day
join gold.fact_customer_health as before
    on before.customer_id = now.customer_id and before.date_partition = latest.day - 30
join gold.dim_customers as c on c.customer_id = now.customer_id
cross join unit
where c.is_paying and now.health_score <= before.health_score - 10
order by change, mrr desc
