-- one row per subscription item and interval [valid_from, valid_to) in which it had MRR and nothing about it changed
with item_mrr as (
    select * from {{ ref('int_item_mrr') }}
),

subscription_steps as (
    select * from {{ ref('int_subscription_mrr_steps') }}
),

plans as (
    select * from {{ ref('dim_plans') }}
),

products as (
    select
        product_id,
        max(product_name) as product_name
    from plans
    group by product_id
),

currencies as (
    select * from {{ ref('currencies') }}
),

-- In a migration the old subscription counts until its successor begins: it is held through a gap, and ends early where
-- they overlap. Its items are too, so that the items of a customer always add up to the customer's MRR.
spans as (
    select
        subscription_id,
        max(valid_to) as counts_until,
        max(own_valid_to) as own_until
    from subscription_steps
    group by subscription_id
),

counted as (
    select
        item_mrr.*,
        case
            when item_mrr.valid_to = spans.own_until then spans.counts_until
            else least(item_mrr.valid_to, spans.counts_until)
        end as counted_to
    from item_mrr
    inner join spans
        on item_mrr.subscription_id = spans.subscription_id
    where
        (item_mrr.mrr_minor > 0 or item_mrr.list_mrr_minor > 0)
        and item_mrr.valid_from < spans.counts_until
        -- a coupon's end that lies ahead has not happened yet
        and item_mrr.valid_from < {{ as_of() }}
),

final as (
    select
        {{ md5_id(['counted.subscription_id', 'counted.subscription_item_id', 'counted.valid_from']) }} as id,
        counted.customer_id,
        counted.subscription_id,
        counted.subscription_item_id,
        counted.price_id,
        counted.product_id,
        products.product_name,
        coalesce(plans.plan_name, products.product_name) as plan_name,
        counted.currency,
        counted.status,
        counted.is_inferred,
        counted.is_gross_of_tax,
        counted.quantity,
        counted.list_mrr_minor,
        counted.mrr_minor,
        {{ for_people('counted.mrr_minor', 'currencies.exponent') }} as mrr_amount,
        counted.valid_from,
        case when counted.counted_to >= {{ as_of() }} then {{ end_of_time() }} else counted.counted_to end as valid_to
    from counted
    left join plans
        on counted.price_id = plans.price_id and counted.currency = plans.currency
    left join products
        on counted.product_id = products.product_id
    left join currencies
        on counted.currency = currencies.currency
)

select * from final
