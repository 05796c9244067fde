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

{% set state = [
    'customer_id', 'subscription_id', 'subscription_item_id', 'price_id', 'product_id', 'currency', 'status', 'is_inferred',
    'is_gross_of_tax', 'quantity', 'list_mrr_minor', 'mrr_minor',
] %}
keyed as (
    select
        *,
        {{ md5_id(state) }} as state_key
    from counted
),

marked as (
    select
        *,
        case
            when
                lag(state_key) over (partition by subscription_id, subscription_item_id order by valid_from) = state_key
                and lag(counted_to) over (partition by subscription_id, subscription_item_id order by valid_from) = valid_from
                then 0
            else 1
        end as is_change
    from keyed
),

numbered as (
    select
        *,
        sum(is_change) over (
            partition by subscription_id, subscription_item_id
            order by valid_from rows between unbounded preceding and current row
        ) as interval_number
    from marked
),

-- an instant at which nothing changed (we came to look at it, say) parts nothing
intervals as (
    select
        {{ state | join(',\n        ') }},
        min(valid_from) as valid_from,
        max(counted_to) as counted_to
    from numbered
    group by
        {{ state | join(', ') }}, interval_number
),

final as (
    select
        {{ md5_id(['intervals.subscription_id', 'intervals.subscription_item_id', 'intervals.valid_from']) }} as id,
        intervals.customer_id,
        intervals.subscription_id,
        intervals.subscription_item_id,
        intervals.price_id,
        intervals.product_id,
        products.product_name,
        coalesce(plans.plan_name, products.product_name) as plan_name,
        intervals.currency,
        intervals.status,
        intervals.is_inferred,
        intervals.is_gross_of_tax,
        intervals.quantity,
        intervals.list_mrr_minor,
        intervals.mrr_minor,
        {{ for_people('intervals.mrr_minor', 'currencies.exponent') }} as mrr_amount,
        intervals.valid_from,
        case when intervals.counted_to >= {{ as_of() }} then {{ end_of_time() }} else intervals.counted_to end as valid_to
    from intervals
    left join plans
        on intervals.price_id = plans.price_id and intervals.currency = plans.currency
    left join products
        on intervals.product_id = products.product_id
    left join currencies
        on intervals.currency = currencies.currency
)

select * from final
