-- title: What moved MRR last month
-- description: Every movement of the last complete month, the largest first, with the customer behind it. Amounts are in the movement's own currency.
with latest as (
    select max(month_start_on) as month_start_on from gold.kpi_mrr_monthly where is_complete
)

select
    m.occurred_at,
    c.company_name,
    c.tier,
    m.movement_type,
    round(m.amount, 2) as amount,
    m.currency,
    m.customer_id
from gold.fact_mrr_movements as m
join latest
    on m.date_partition >= latest.month_start_on
    and m.date_partition < latest.month_start_on + interval 1 month
join gold.dim_customers as c on c.customer_id = m.customer_id
order by abs(m.amount_reporting) desc
