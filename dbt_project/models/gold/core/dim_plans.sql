-- one row per price and currency in which it can be paid, as it stands now
with prices as (
    select * from {{ ref('int_price_versions') }}
    where valid_to = {{ end_of_time() }}
),

products as (
    select
        object_id as product_id,
        {{ text_at('raw_json', 'name') }} as product_name
    from {{ ref('int_stripe_objects') }}
    where object_type = 'product'
),

currencies as (
    select * from {{ ref('currencies') }}
),

final as (
    select
        {{ md5_id(['prices.price_id', 'prices.currency']) }} as id,
        prices.price_id,
        prices.product_id,
        products.product_name,
        coalesce(prices.nickname, products.product_name) as plan_name,
        prices.currency,
        prices.is_own_currency,
        prices.price_type,
        coalesce(prices.usage_type, 'licensed') as usage_type,
        prices.recurring_interval,
        cast(prices.interval_count as bigint) as interval_count,
        prices.billing_scheme,
        prices.tiers_mode,
        prices.unit_amount_minor,
        cast({{ for_people('prices.unit_amount_minor', 'currencies.exponent') }} as decimal(28, 6)) as unit_amount,
        prices.tax_behavior,
        prices.is_active
    from prices
    left join products
        on prices.product_id = products.product_id
    left join currencies
        on prices.currency = currencies.currency
)

select * from final
