-- per customer and currency, at every instant of change: the sum of all movements so far is the MRR from then on
with movements as (
    select
        customer_id,
        currency,
        occurred_at,
        sum(amount_minor) over (partition by customer_id, currency order by occurred_at) as moved_minor
    from {{ ref('fact_mrr_movements') }}
),

steps as (
    select * from {{ ref('int_customer_mrr_steps') }}
    where mrr_change_minor <> 0
)

select
    coalesce(movements.customer_id, steps.customer_id) as customer_id,
    coalesce(movements.currency, steps.currency) as currency,
    coalesce(movements.occurred_at, steps.valid_from) as occurred_at,
    movements.moved_minor,
    steps.mrr_minor
from movements
full outer join steps
    on
        movements.customer_id = steps.customer_id
        and movements.currency = steps.currency
        and movements.occurred_at = steps.valid_from
where movements.moved_minor is distinct from steps.mrr_minor
