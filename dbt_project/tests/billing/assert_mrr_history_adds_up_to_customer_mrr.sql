-- at every instant a customer's items are worth what the customer is, net and list: both change by the same at each
with item_changes as (
    select customer_id, currency, valid_from as changes_at, mrr_minor, list_mrr_minor
    from {{ ref('fact_mrr_history') }}
    union all
    select customer_id, currency, valid_to as changes_at, -mrr_minor as mrr_minor, -list_mrr_minor as list_mrr_minor
    from {{ ref('fact_mrr_history') }}
    where valid_to < {{ end_of_time() }}
),

step_changes as (
    select
        customer_id,
        currency,
        valid_from as changes_at,
        -mrr_change_minor as mrr_minor,
        coalesce(lag(list_mrr_minor) over (partition by customer_id, currency order by valid_from), 0) - list_mrr_minor as list_mrr_minor
    from {{ ref('int_customer_mrr_steps') }}
)

select
    customer_id,
    currency,
    changes_at,
    sum(mrr_minor) as mrr_minor,
    sum(list_mrr_minor) as list_mrr_minor
from (
    select * from item_changes
    union all
    select * from step_changes
) as changes
group by customer_id, currency, changes_at
having sum(mrr_minor) <> 0 or sum(list_mrr_minor) <> 0
