-- no fan-out: at every step of a customer, its MRR is the sum of what its subscriptions' items are worth then
with steps as (
    select * from {{ ref('int_customer_mrr_steps') }}
),

subscription_steps as (
    select * from {{ ref('int_subscription_mrr_steps') }}
)

select
    steps.customer_id,
    steps.currency,
    steps.valid_from,
    max(steps.mrr_minor) as mrr_minor,
    coalesce(sum(subscription_steps.mrr_minor), 0) as by_subscription
from steps
left join subscription_steps
    on
        steps.customer_id = subscription_steps.customer_id
        and steps.currency = subscription_steps.currency
        and subscription_steps.valid_from <= steps.valid_from and subscription_steps.valid_to > steps.valid_from
group by steps.customer_id, steps.currency, steps.valid_from
having max(steps.mrr_minor) <> coalesce(sum(subscription_steps.mrr_minor), 0)
