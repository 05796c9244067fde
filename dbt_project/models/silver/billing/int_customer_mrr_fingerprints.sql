-- one row per customer: a fingerprint of all that its MRR is made of
with links as (
    select * from {{ ref('int_customer_links') }}
),

versions as (
    select
        versions.*,
        coalesce(links.customer_id, versions.stripe_customer_id) as customer_id
    from {{ ref('int_subscription_versions') }} as versions
    left join links
        on versions.stripe_customer_id = links.stripe_customer_id
),

item_versions as (
    select * from {{ ref('int_subscription_item_versions') }}
),

price_versions as (
    select * from {{ ref('int_price_versions') }}
),

discounts as (
    select * from {{ ref('int_discounts') }}
),

tax_rates as (
    select * from {{ ref('int_stripe_objects') }}
    where object_type = 'tax_rate'
),

owners as (
    select
        subscription_id,
        max(customer_id) as customer_id,
        max(stripe_customer_id) as stripe_customer_id
    from versions
    group by subscription_id
),

-- prices by the items that have them
price_prints as (
    select
        price_id,
        sum({{ row_print([
            'currency', 'valid_from', 'valid_to', 'product_id', 'price_type', 'usage_type', 'recurring_interval', 'interval_count',
            'tiers_mode', 'unit_amount_minor', 'tiers_json', 'divide_by', 'round_direction', 'tax_behavior', 'is_own_currency',
        ]) }}) as print
    from price_versions
    group by price_id
),

item_prices as (
    select
        subscription_id,
        price_id
    from item_versions
    group by subscription_id, price_id
),

-- discounts by the lists that name them; a customer's own by the customer
discount_prints as (
    select
        discount_id,
        scope,
        stripe_customer_id,
        {{ row_print([
            'discount_id', 'coupon_id', 'scope', 'duration', 'percent_off', 'amount_off_minor', 'currency', 'currency_options_json',
            'products_json', 'start_at', 'end_at',
        ]) }} as print
    from discounts
),

discounted_versions as (
    select
        subscription_id,
        discounts_json
    from versions
    where discounts_json <> '[]'
    union all
    select
        subscription_id,
        discounts_json
    from item_versions
    where discounts_json <> '[]'
),

listed_elements as (
    {{ each_element('discounted_versions', ['subscription_id'], 'discounts_json') }}
),

listed_discounts as (
    select
        subscription_id,
        {{ element_id('element') }} as discount_id
    from listed_elements
    group by subscription_id, {{ element_id('element') }}
),

tax_print as (
    select sum({{ row_print(['object_id', 'raw_json']) }}) as print from tax_rates
),

prints as (
    -- whatever was told of a subscription, of its items and of its invoices
    select
        customer_id,
        {{ row_print(['subscription_id', 'version_number', 'valid_from', 'load_id']) }} as print
    from versions
    union all
    select
        owners.customer_id,
        price_prints.print
    from item_prices
    inner join price_prints
        on item_prices.price_id = price_prints.price_id
    inner join owners
        on item_prices.subscription_id = owners.subscription_id
    union all
    select
        owners.customer_id,
        discount_prints.print
    from listed_discounts
    inner join discount_prints
        on listed_discounts.discount_id = discount_prints.discount_id
    inner join owners
        on listed_discounts.subscription_id = owners.subscription_id
    union all
    select
        owners.customer_id,
        discount_prints.print
    from owners
    inner join discount_prints
        on owners.stripe_customer_id = discount_prints.stripe_customer_id and discount_prints.scope = 'customer'
    union all
    select
        owners.customer_id,
        tax_print.print
    from owners
    cross join tax_print
    where tax_print.print is not null
),

final as (
    select
        customer_id,
        sum(print) as fingerprint
    from prints
    where customer_id is not null
    group by customer_id
)

select * from final
