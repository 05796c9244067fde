-- no fan-out: as many rows and the same sum per entry type in gold as in the entries, and one row per invoice line
with gold_sums as (
    select entry_type, currency, count(*) as row_count, sum(amount_minor) as amount_minor
    from {{ ref('fact_revenue') }}
    group by entry_type, currency
),

silver_sums as (
    select entry_type, currency, count(*) as row_count, sum(amount_minor) as amount_minor
    from {{ ref('int_revenue_entries') }}
    group by entry_type, currency
),

finalised_lines as (
    select 'line' as entry_type, currency, count(*) as row_count, sum(net_minor) as amount_minor
    from {{ ref('int_invoice_lines') }}
    where finalized_at is not null
    group by currency
)

select silver_sums.entry_type, silver_sums.currency
from silver_sums
full outer join gold_sums
    on silver_sums.entry_type = gold_sums.entry_type and silver_sums.currency = gold_sums.currency
where
    silver_sums.row_count is distinct from gold_sums.row_count
    or silver_sums.amount_minor is distinct from gold_sums.amount_minor
union all
select finalised_lines.entry_type, finalised_lines.currency
from finalised_lines
left join gold_sums
    on finalised_lines.entry_type = gold_sums.entry_type and finalised_lines.currency = gold_sums.currency
where
    finalised_lines.row_count is distinct from gold_sums.row_count
    or finalised_lines.amount_minor is distinct from gold_sums.amount_minor
