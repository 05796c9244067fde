-- one row per price, currency and stretch of time in which its terms held (amounts in its own currency never change, options do)
with objects as (
    select * from {{ ref('int_stripe_objects') }}
    where object_type = 'price'
),

records as (
    select * from {{ ref('stg_stripe__prices') }}
    where coalesce(livemode, {{ var('expected_livemode') }}) = {{ var('expected_livemode') }} and not is_tombstone
),

events as (
    select * from {{ ref('int_stripe_events') }}
    where object_type = 'price'
),

item_versions as (
    select * from {{ ref('int_subscription_item_versions') }}
),

-- a price that no list showed is known from the items that carry it
looks as (
    select object_id as price_id, extracted_at as known_at, raw_json as price_json from records
    union
    select subject_id as price_id, occurred_at as known_at, object_json as price_json from events
    union
    select price_id, known_at, raw_json as price_json from (select object_id as price_id, known_at, raw_json from objects) as newest
    union
    select price_id, min(valid_from) as known_at, min(embedded_price_json) as price_json
    from item_versions
    where embedded_price_json is not null
    group by price_id
),

typed as (
    select
        price_id,
        known_at,
        price_json,
        {{- stripe_price('price_json') }}
    from looks
),

-- what never changes, and what only an expanded price tells
bases as (
    select
        price_id,
        max(product_id) as product_id,
        max(currency) as currency,
        max(unit_amount_minor) as unit_amount_minor,
        max(recurring_interval) as recurring_interval,
        max(interval_count) as interval_count,
        max(usage_type) as usage_type,
        {{ arg_max('price_type', 'known_at') }} as price_type,
        max(billing_scheme) as billing_scheme,
        max(tiers_mode) as tiers_mode,
        {{ arg_max('tiers_json', 'known_at') }} as tiers_json,
        max(divide_by) as divide_by,
        max(round_direction) as round_direction,
        {{ arg_max('tax_behavior', 'known_at') }} as tax_behavior,
        {{ arg_max('nickname', 'known_at') }} as nickname,
        {{ arg_max('is_active', 'known_at') }} as is_active
    from typed
    group by price_id
),

keyed_options as (
    {{ each_key('typed', ['price_id', 'known_at', 'currency_options_json'], 'currency_options_json') }}
),

option_looks as (
    select
        price_id,
        known_at,
        upper(key) as currency,
        {{ text_at_key('currency_options_json', 'key') }} as option_json
    from keyed_options
),

options as (
    select
        *,
        md5(option_json) as option_hash
    from option_looks
),

option_changes as (
    select
        *,
        lag(option_hash) over (partition by price_id, currency order by known_at, option_hash) as hash_before
    from options
),

option_versions as (
    select
        price_id,
        currency,
        case
            when hash_before is null then cast('1970-01-01' as timestamp)
            else known_at
        end as valid_from,
        coalesce({{ decimal_at('option_json', 'unit_amount_decimal') }}, {{ decimal_at('option_json', 'unit_amount') }})
            as unit_amount_minor,
        {{ json_below('option_json', 'tiers') }} as tiers_json,
        {{ text_at('option_json', 'tax_behavior') }} as tax_behavior
    from option_changes
    where hash_before is null or hash_before <> option_hash
),

joined as (
    select
        bases.price_id,
        bases.currency,
        cast('1970-01-01' as timestamp) as valid_from,
        bases.unit_amount_minor,
        bases.tiers_json,
        bases.tax_behavior,
        true as is_own_currency
    from bases
    union all
    select
        option_versions.price_id,
        option_versions.currency,
        option_versions.valid_from,
        option_versions.unit_amount_minor,
        option_versions.tiers_json,
        coalesce(option_versions.tax_behavior, bases.tax_behavior) as tax_behavior,
        false as is_own_currency
    from option_versions
    inner join bases
        on option_versions.price_id = bases.price_id and option_versions.currency <> bases.currency
),

final as (
    select
        joined.price_id,
        joined.currency,
        joined.valid_from,
        coalesce(
            lead(joined.valid_from) over (partition by joined.price_id, joined.currency order by joined.valid_from),
            {{ end_of_time() }}
        ) as valid_to,
        joined.is_own_currency,
        bases.product_id,
        bases.nickname,
        bases.price_type,
        bases.usage_type,
        bases.recurring_interval,
        coalesce(bases.interval_count, 1) as interval_count,
        bases.billing_scheme,
        bases.tiers_mode,
        joined.unit_amount_minor,
        joined.tiers_json,
        bases.divide_by,
        bases.round_direction,
        joined.tax_behavior,
        coalesce(bases.is_active, true) as is_active
    from joined
    inner join bases
        on joined.price_id = bases.price_id
)

select * from final
