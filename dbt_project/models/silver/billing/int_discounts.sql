-- one row per discount, wherever it was seen, with its coupon's terms and the instants between which it holds
{{ config(computed_once=['discounts']) }}
with events as (
    select * from {{ ref('int_stripe_events') }}
),

customer_records as (
    select * from {{ ref('stg_stripe__customers') }}
    where coalesce(livemode, {{ var('expected_livemode') }}) = {{ var('expected_livemode') }} and not is_tombstone
),

subscription_records as (
    select * from {{ ref('stg_stripe__subscriptions') }}
    where coalesce(livemode, {{ var('expected_livemode') }}) = {{ var('expected_livemode') }} and not is_tombstone
),

versions as (
    select * from {{ ref('int_subscription_versions') }}
),

item_versions as (
    select * from {{ ref('int_subscription_item_versions') }}
),

invoices as (
    select discounts_json from {{ ref('int_stripe_invoices') }}
    where discounts_json <> '[]'
),

coupon_objects as (
    select * from {{ ref('int_stripe_objects') }}
    where object_type = 'coupon'
),

coupon_events as (
    select * from events
    where object_type = 'coupon'
),

-- what a customer carried as its own discount, whenever it was looked at
customer_looks as (
    select
        subject_id as stripe_customer_id,
        occurred_at as known_at,
        {{ text_at('object_json', 'discount') }} as discount_json,
        {{ text_at('object_json', 'discount.id') }} as discount_id
    from events
    where object_type = 'customer' and event_type <> 'customer.deleted'
    union all
    select
        object_id as stripe_customer_id,
        extracted_at as known_at,
        {{ text_at('raw_json', 'discount') }} as discount_json,
        {{ text_at('raw_json', 'discount.id') }} as discount_id
    from customer_records
),

version_elements as (
    {{ each_element('versions', ['subscription_id'], 'discounts_json') }}
),

item_elements as (
    {{ each_element('item_versions', ['subscription_id'], 'discounts_json') }}
),

-- only lists show a discount whole: events have its id, and a version that is as it was before is not kept for that
record_elements as (
    {{ each_element('subscription_records', [], 'discounts_json') }}
),

record_items as (
    {{ each_element('subscription_records', [], 'items_json') }}
),

record_item_elements as (
    {{ each_element('record_items', [], 'element', 'discounts') }}
),

invoice_elements as (
    {{ each_element('invoices', [], 'discounts_json') }}
),

objects as (
    select object_json as discount_json from events
    where object_type = 'discount'
    union
    select element as discount_json from version_elements
    where left(element, 1) = '{'
    union
    select element as discount_json from item_elements
    where left(element, 1) = '{'
    union
    select element as discount_json from record_elements
    where left(element, 1) = '{'
    union
    select element as discount_json from record_item_elements
    where left(element, 1) = '{'
    union
    select element as discount_json from invoice_elements
    where left(element, 1) = '{'
    union
    select discount_json from customer_looks
    where left(discount_json, 1) = '{'
),

typed as (
    select
        md5(discount_json) as content_hash,
        {{- stripe_discount('discount_json') }}
    from objects
),

discounts as (
    select
        discount_id,
        {{ arg_max('coupon_id', 'content_hash') }} as coupon_id,
        max(embedded_coupon_json) as embedded_coupon_json,
        max(stripe_customer_id) as stripe_customer_id,
        max(subscription_id) as subscription_id,
        max(subscription_item_id) as subscription_item_id,
        max(one_off_id) as one_off_id,
        min(start_at) as start_at,
        min(end_at) as end_at
    from typed
    where discount_id is not null
    group by discount_id
),

removals as (
    select
        subject_id as discount_id,
        min(occurred_at) as removed_at
    from events
    where event_type = 'customer.discount.deleted'
    group by subject_id
),

-- a discount of a customer that begins is a look at it too
customer_discounts as (
    select
        stripe_customer_id,
        known_at,
        discount_id
    from customer_looks
    union all
    select
        stripe_customer_id,
        start_at as known_at,
        discount_id
    from discounts
    where subscription_id is null and subscription_item_id is null and one_off_id is null
),

-- a customer has one discount at a time: another one, or none, seen later ends it
replacements as (
    select
        discounts.discount_id,
        min(customer_discounts.known_at) as replaced_at
    from discounts
    inner join customer_discounts
        on
            discounts.stripe_customer_id = customer_discounts.stripe_customer_id
            and customer_discounts.known_at > discounts.start_at
            and coalesce(customer_discounts.discount_id, '') <> discounts.discount_id
    where
        discounts.subscription_id is null and discounts.subscription_item_id is null
        and discounts.one_off_id is null
    group by discounts.discount_id
),

coupon_snapshots as (
    select raw_json as coupon_json from coupon_objects
    union
    select object_json as coupon_json from coupon_events
),

-- a coupon's id can be used again after a deletion: id and creation are the key
coupons as (
    select
        object_id as coupon_id,
        created_at,
        max(percent_off) as percent_off,
        max(amount_off_minor) as amount_off_minor,
        max(currency) as currency,
        max(currency_options_json) as currency_options_json,
        max(duration) as duration,
        max(duration_in_months) as duration_in_months,
        max(products_json) as products_json
    from (
        select
            {{- stripe_head('coupon_json') }},
            {{- stripe_coupon('coupon_json') }}
        from coupon_snapshots
    ) as read_coupons
    group by object_id, created_at
),

chosen_coupons as (
    select
        discounts.discount_id,
        coupons.*,
        row_number() over (
            partition by discounts.discount_id
            order by
                case when coupons.created_at <= discounts.start_at then 0 else 1 end,
                case when coupons.created_at <= discounts.start_at then coupons.created_at end desc,
                coupons.created_at
        ) as place
    from discounts
    inner join coupons
        on discounts.coupon_id = coupons.coupon_id
),

embedded as (
    select
        discount_id,
        {{- stripe_coupon('embedded_coupon_json') }}
    from discounts
    where embedded_coupon_json is not null
),

termed as (
    select
        discounts.*,
        coalesce(embedded.percent_off, chosen_coupons.percent_off) as percent_off,
        coalesce(embedded.amount_off_minor, chosen_coupons.amount_off_minor) as amount_off_minor,
        coalesce(embedded.currency, chosen_coupons.currency) as currency,
        coalesce(embedded.currency_options_json, chosen_coupons.currency_options_json) as currency_options_json,
        coalesce(embedded.duration, chosen_coupons.duration) as duration,
        coalesce(embedded.duration_in_months, chosen_coupons.duration_in_months) as duration_in_months,
        coalesce(embedded.products_json, chosen_coupons.products_json) as products_json
    from discounts
    left join embedded
        on discounts.discount_id = embedded.discount_id
    left join chosen_coupons
        on discounts.discount_id = chosen_coupons.discount_id and chosen_coupons.place = 1
),

final as (
    select
        termed.discount_id,
        termed.coupon_id,
        termed.stripe_customer_id,
        termed.subscription_id,
        termed.subscription_item_id,
        case
            when termed.one_off_id is not null then 'one_off'
            when termed.subscription_item_id is not null then 'item'
            when termed.subscription_id is not null then 'subscription'
            else 'customer'
        end as scope,
        termed.duration,
        termed.duration_in_months,
        termed.percent_off,
        termed.amount_off_minor,
        termed.currency,
        termed.currency_options_json,
        termed.products_json,
        termed.start_at,
        -- no event tells of an expiry; a discount of a customer also ends where it is taken away
        least(
            coalesce(
                termed.end_at,
                case
                    when termed.duration = 'repeating'
                        then {{ add_months('termed.start_at', 'termed.duration_in_months') }}
                end,
                {{ end_of_time() }}
            ),
            coalesce(removals.removed_at, {{ end_of_time() }}),
            coalesce(replacements.replaced_at, {{ end_of_time() }})
        ) as end_at
    from termed
    left join removals
        on termed.discount_id = removals.discount_id
    left join replacements
        on termed.discount_id = replacements.discount_id
)

select * from final
