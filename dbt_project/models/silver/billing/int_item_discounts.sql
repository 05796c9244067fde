-- one row per subscription item, stretch of time and discount that lowers its MRR, with the step in which it is taken
with segments as (
    select * from {{ ref('int_item_segments') }}
),

discounts as (
    select * from {{ ref('int_discounts') }}
),

item_listed as (
    {{ each_element(
        'segments', ['subscription_id', 'subscription_item_id', 'stripe_customer_id', 'valid_from', 'currency', 'product_id', 'is_inferred'],
        'item_discounts_json'
    ) }}
),

subscription_listed as (
    {{ each_element(
        'segments', ['subscription_id', 'subscription_item_id', 'stripe_customer_id', 'valid_from', 'currency', 'product_id', 'is_inferred'],
        'subscription_discounts_json'
    ) }}
),

item_running as (
    select
        item_listed.*,
        discounts.discount_id,
        'item' as scope
    from item_listed
    inner join discounts
        on {{ element_id('item_listed.element') }} = discounts.discount_id
    where
        discounts.end_at > item_listed.valid_from
        -- what a later list showed did not hold before its start
        and (not coalesce(item_listed.is_inferred, false) or discounts.start_at <= item_listed.valid_from)
),

subscription_running as (
    select
        subscription_listed.*,
        discounts.discount_id,
        'subscription' as scope
    from subscription_listed
    inner join discounts
        on {{ element_id('subscription_listed.element') }} = discounts.discount_id
    where
        discounts.end_at > subscription_listed.valid_from
        -- what a later list showed did not hold before its start
        and (not coalesce(subscription_listed.is_inferred, false) or discounts.start_at <= subscription_listed.valid_from)
),

discounted_segments as (
    select
        subscription_id,
        valid_from
    from subscription_running
    group by subscription_id, valid_from
),

-- the customer's discount steps in only where the subscription has none of its own
customer_running as (
    select
        segments.subscription_id,
        segments.subscription_item_id,
        segments.stripe_customer_id,
        segments.valid_from,
        segments.currency,
        segments.product_id,
        segments.is_inferred,
        cast(null as string) as element,
        row_number() over (
            partition by segments.subscription_id, segments.subscription_item_id, segments.valid_from
            order by discounts.start_at, discounts.discount_id
        ) as position,
        discounts.discount_id,
        'customer' as scope
    from segments
    inner join discounts
        on segments.stripe_customer_id = discounts.stripe_customer_id and discounts.scope = 'customer'
    left join discounted_segments
        on
            segments.subscription_id = discounted_segments.subscription_id
            and segments.valid_from = discounted_segments.valid_from
    where
        discounted_segments.subscription_id is null
        and discounts.start_at <= segments.valid_from and discounts.end_at > segments.valid_from
),

running as (
    select * from item_running
    union all
    select * from subscription_running
    union all
    select * from customer_running
),

termed as (
    select
        running.subscription_id,
        running.subscription_item_id,
        running.valid_from,
        running.discount_id,
        running.scope,
        discounts.coupon_id,
        discounts.percent_off,
        case
            when discounts.percent_off is not null then null
            when discounts.currency = running.currency then discounts.amount_off_minor
            else coalesce(
                {{ whole_of(text_at_key("discounts.currency_options_json", "lower(running.currency) || '/amount_off'")) }}, 0
            )
        end as amount_off_minor,
        case running.scope when 'item' then 0 else 1 end as stage,
        running.position
    from running
    inner join discounts
        on running.discount_id = discounts.discount_id
    where
        discounts.duration in ('forever'{{ ", 'repeating'" if var('repeating_discounts_lower_mrr') }})
        and (
            discounts.products_json is null
            or discounts.products_json = '[]'
            or {{ array_text_contains('discounts.products_json', 'running.product_id') }}
        )
),

-- one step for all items of the subscription, so that a fixed amount can be spread over those that share it
final as (
    select
        subscription_id,
        subscription_item_id,
        valid_from,
        dense_rank() over (partition by subscription_id, valid_from order by stage, position) as step,
        discount_id,
        coupon_id,
        scope,
        percent_off,
        amount_off_minor
    from termed
)

select * from final
