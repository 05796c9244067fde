-- one row per subscription, instant and thing that happened to it
{{ config(computed_once=['pairs']) }}
with versions as (
    select * from {{ ref('int_subscription_versions') }}
),

item_versions as (
    select * from {{ ref('int_subscription_item_versions') }}
),

item_mrr as (
    select * from {{ ref('int_item_mrr') }}
),

links as (
    select * from {{ ref('int_customer_links') }}
),

-- the items as they stand at a version's end
contents as (
    select
        versions.subscription_id,
        versions.version_number,
        {{ joined_text(
            joined_parts(':', ['item_versions.subscription_item_id', 'item_versions.price_id']), ',', 'item_versions.subscription_item_id'
        ) }} as prices_text,
        {{ joined_text(
            joined_parts(':', ['item_versions.subscription_item_id', 'item_versions.quantity']), ',', 'item_versions.subscription_item_id'
        ) }} as quantities_text,
        count(*) as item_count
    from versions
    inner join item_versions
        on
            versions.subscription_id = item_versions.subscription_id
            and versions.version_number = item_versions.version_number
            and versions.valid_to = item_versions.valid_to
    group by versions.subscription_id, versions.version_number
),

pairs as (
    select
        versions.subscription_id,
        versions.stripe_customer_id,
        versions.version_number,
        versions.valid_from as occurred_at,
        versions.currency,
        versions.status,
        before.status as status_before,
        versions.is_inferred,
        versions.cancellation_reason,
        versions.pause_behavior,
        before.pause_behavior as pause_before,
        versions.is_cancel_at_period_end or versions.cancel_at is not null as is_cancel_asked,
        coalesce(before.is_cancel_at_period_end or before.cancel_at is not null, false) as was_cancel_asked,
        contents.prices_text,
        contents_before.prices_text as prices_before,
        contents.quantities_text,
        contents_before.quantities_text as quantities_before,
        contents.item_count,
        contents_before.item_count as item_count_before,
        coalesce({{ ids_text('versions.discounts_json', '') }}, '') as discounts_text,
        coalesce({{ ids_text('before.discounts_json', '') }}, '') as discounts_before
    from versions
    left join versions as before
        on
            versions.subscription_id = before.subscription_id
            and versions.version_number = before.version_number + 1
    left join contents
        on
            versions.subscription_id = contents.subscription_id
            and versions.version_number = contents.version_number
    left join contents as contents_before
        on
            before.subscription_id = contents_before.subscription_id
            and before.version_number = contents_before.version_number
),

named as (
    {%- set events = {
        'created': "status_before is null",
        'trial_started': "status = 'trialing' and status_before is null",
        'trial_converted': "status_before = 'trialing' and status in ('active', 'past_due')",
        'trial_lapsed': "status_before = 'trialing' and status in ('canceled', 'paused', 'incomplete_expired')",
        'past_due': "status = 'past_due' and status_before <> 'past_due'",
        'unpaid': "status = 'unpaid' and status_before <> 'unpaid'",
        'recovered': "status = 'active' and status_before in ('past_due', 'unpaid')",
        'paused': "(pause_behavior is not null and pause_before is null and status_before is not null) or (status = 'paused' and status_before <> 'paused')",
        'resumed': "(pause_behavior is null and pause_before is not null and status <> 'canceled') or (status_before = 'paused' and status = 'active')",
        'cancel_requested': "is_cancel_asked and not was_cancel_asked and status <> 'canceled'",
        'cancel_withdrawn': "was_cancel_asked and not is_cancel_asked and status <> 'canceled'",
        'price_changed': "prices_before <> prices_text and item_count = item_count_before",
        'items_changed': "item_count <> item_count_before",
        'quantity_changed': "quantities_before <> quantities_text and item_count = item_count_before",
        'discount_changed': "discounts_before <> discounts_text and status_before is not null and status <> 'canceled'",
        'ended': "status in ('canceled', 'incomplete_expired') and coalesce(status_before, '') not in ('canceled', 'incomplete_expired')",
    } %}
    {%- for event_type, condition in events.items() %}
    select
        '{{ event_type }}' as event_type,
        *
    from pairs
    where {{ condition }}
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
),

-- MRR just before and from the instant on, by the subscription's own items
levels as (
    select
        subscription_id,
        valid_from,
        valid_to,
        sum(mrr_minor) as mrr_minor
    from item_mrr
    group by subscription_id, valid_from, valid_to
),

final as (
    select
        {{ md5_id(['named.subscription_id', 'named.occurred_at', 'named.event_type']) }} as id,
        coalesce(links.customer_id, named.stripe_customer_id) as customer_id,
        named.subscription_id,
        named.event_type,
        named.status_before,
        named.status,
        case when named.event_type = 'ended' then named.cancellation_reason end as reason,
        named.currency,
        cast(coalesce(levels_before.mrr_minor, 0) as decimal(28, 6)) as mrr_before_minor,
        cast(coalesce(levels.mrr_minor, 0) as decimal(28, 6)) as mrr_minor,
        named.is_inferred,
        named.occurred_at,
        {{ reporting_date('named.occurred_at') }} as date_partition
    from named
    left join links
        on named.stripe_customer_id = links.stripe_customer_id
    left join levels
        on named.subscription_id = levels.subscription_id and named.occurred_at = levels.valid_from
    left join levels as levels_before
        on named.subscription_id = levels_before.subscription_id and named.occurred_at = levels_before.valid_to
)

select * from final
