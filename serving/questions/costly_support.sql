-- title: Who needs most support for what they pay
-- description: Tickets of the last 90 days by customer, beside their MRR (in the reporting currency) and their share of all tickets.
-- chart: {kind: point, x: mrr, y: tickets_90d, color: tier}
with latest as (
    select max(created_at) as instant from gold.fact_support_tickets
),

counted as (
    select t.customer_id, count(*) as tickets_90d
    from gold.fact_support_tickets as t
    join latest on t.created_at > latest.instant - interval 90 day
    group by t.customer_id
),

unit as (
    -- minor units in one of the reporting currency: 100 of USD, 1 of JPY, 1000 of KWD
    select round(max(mrr_reporting_minor / nullif(mrr_amount, 0))) as minor_units from gold.kpi_mrr_monthly
)

select
    c.company_name,
    coalesce(c.tier, 'none') as tier,
    round(c.mrr_reporting_minor) / unit.minor_units as mrr,
    counted.tickets_90d,
    round(100.0 * counted.tickets_90d / sum(counted.tickets_90d) over (), 2) as percent_of_all_tickets,
    c.customer_id
from counted
join gold.dim_customers as c on c.customer_id = counted.customer_id
cross join unit
order by counted.tickets_90d desc, mrr
limit 50
