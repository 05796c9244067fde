-- one row per subscription item and stretch of time in which nothing that decides its MRR changes
{{ config(
    materialized='incremental',
    incremental_strategy='replace_changed',
    unique_key='customer_id',
    fingerprints='int_customer_mrr_fingerprints',
    post_hook=take_in('int_customer_mrr_fingerprints'),
) }}
-- depends_on: {{ ref('int_customer_mrr_fingerprints') }}
with
{%- if is_incremental() %}
changed as (
    {{ changed_keys('int_customer_mrr_fingerprints', 'customer_id') }}
),
{%- endif %}

links as (
    select * from {{ ref('int_customer_links') }}
),

versions as (
    select versions.*
    from {{ ref('int_subscription_versions') }} as versions
    {%- if is_incremental() %}
    left join links
        on versions.stripe_customer_id = links.stripe_customer_id
    inner join changed
        on coalesce(links.customer_id, versions.stripe_customer_id) = changed.customer_id
    {%- endif %}
),

item_versions as (
    select * from {{ ref('int_subscription_item_versions') }}
    {%- if is_incremental() %}
    where subscription_id in (select subscription_id from versions)
    {%- endif %}
),

price_versions as (
    select * from {{ ref('int_price_versions') }}
),

discounts as (
    select * from {{ ref('int_discounts') }}
),

invoice_lines as (
    select * from {{ ref('int_invoice_lines') }}
    {%- if is_incremental() %}
    where subscription_item_id in (select subscription_item_id from item_versions)
    {%- endif %}
),

tax_rate_objects as (
    select * from {{ ref('int_stripe_objects') }}
    where object_type = 'tax_rate'
),

tax_rates as (
    select
        {{- stripe_head('raw_json') }},
        {{- stripe_tax_rate('raw_json') }}
    from tax_rate_objects
),

listed_elements as (
    {{ each_element('versions', ['subscription_id', 'version_number', 'valid_from', 'valid_to', 'is_inferred'], 'discounts_json') }}
    union all
    {{ each_element('item_versions', ['subscription_id', 'version_number', 'valid_from', 'valid_to', 'is_inferred'], 'discounts_json') }}
),

-- the rate inside the price by the item's latest invoice line: what automatic tax goes by
taxed_elements as (
    {{ each_element('invoice_lines', ['subscription_item_id', 'created_at', 'invoice_line_id'], 'taxes_json') }}
),

line_taxes as (
    select
        taxed_elements.subscription_item_id,
        taxed_elements.created_at,
        taxed_elements.invoice_line_id,
        sum(tax_rates.percentage) as inclusive_percent
    from taxed_elements
    left join tax_rates
        on coalesce(
            {{ text_at('taxed_elements.element', 'tax_rate_details.tax_rate') }},
            {{ id_at('taxed_elements.element', 'tax_rate') }}
        ) = tax_rates.object_id
    where
        taxed_elements.subscription_item_id is not null
        and (
            {{ text_at('taxed_elements.element', 'tax_behavior') }} = 'inclusive'
            or {{ text_at('taxed_elements.element', 'inclusive') }} = 'true'
        )
    group by taxed_elements.subscription_item_id, taxed_elements.created_at, taxed_elements.invoice_line_id
),

-- a line that charges something and has no tax inside says so too: he has become exempt
untaxed_lines as (
    select
        invoice_lines.subscription_item_id,
        invoice_lines.created_at
    from invoice_lines
    left join line_taxes
        on
            invoice_lines.subscription_item_id = line_taxes.subscription_item_id
            and invoice_lines.invoice_line_id = line_taxes.invoice_line_id
    where
        invoice_lines.subscription_item_id is not null and invoice_lines.amount_minor > 0
        and line_taxes.invoice_line_id is null
),

shown_taxes as (
    select
        subscription_item_id,
        created_at,
        max(inclusive_percent) as inclusive_percent
    from (
        select subscription_item_id, created_at, inclusive_percent from line_taxes
        union all
        select subscription_item_id, created_at, 0 as inclusive_percent from untaxed_lines
    ) as either_line
    group by subscription_item_id, created_at
),

compared_taxes as (
    select
        *,
        lag(inclusive_percent) over (partition by subscription_item_id order by created_at) as percent_before
    from shown_taxes
),

-- an invoice with the same rate inside parts nothing
automatic_taxes as (
    select
        subscription_item_id,
        created_at as valid_from,
        coalesce(
            lead(created_at) over (partition by subscription_item_id order by created_at), {{ end_of_time() }}
        ) as valid_to,
        inclusive_percent
    from compared_taxes
    where not coalesce(inclusive_percent = percent_before, false)
),

spans as (
    select
        subscription_id,
        stripe_customer_id,
        min(valid_from) as first_at,
        max(valid_to) as last_at
    from versions
    group by subscription_id, stripe_customer_id
),

customer_discounts as (
    select * from discounts
    where scope = 'customer'
),

instants as (
    select
        subscription_id,
        valid_from as changes_at
    from versions
    union
    select
        subscription_id,
        valid_from as changes_at
    from item_versions
    union
    select
        subscription_id,
        valid_to as changes_at
    from item_versions
    where valid_to < {{ end_of_time() }}
    {%- for edge in ['trial_start_at', 'trial_end_at'] %}
    union
    select
        subscription_id,
        {{ edge }} as changes_at
    from item_versions
    where {{ edge }} > valid_from and {{ edge }} < valid_to
    {%- endfor %}
    union
    -- within an inferred version a discount's start is one too
    select
        listed_elements.subscription_id,
        discounts.start_at as changes_at
    from listed_elements
    inner join discounts
        on {{ element_id('listed_elements.element') }} = discounts.discount_id
    where
        listed_elements.is_inferred
        and discounts.start_at > listed_elements.valid_from and discounts.start_at < listed_elements.valid_to
    union
    select
        subscription_id,
        pause_resumes_at as changes_at
    from versions
    where pause_resumes_at > valid_from and pause_resumes_at < valid_to
    union
    select
        listed_elements.subscription_id,
        discounts.end_at as changes_at
    from listed_elements
    inner join discounts
        on {{ element_id('listed_elements.element') }} = discounts.discount_id
    where discounts.end_at > listed_elements.valid_from and discounts.end_at < listed_elements.valid_to
    union
    select
        spans.subscription_id,
        customer_discounts.start_at as changes_at
    from spans
    inner join customer_discounts
        on spans.stripe_customer_id = customer_discounts.stripe_customer_id
    where customer_discounts.start_at > spans.first_at and customer_discounts.start_at < spans.last_at
    union
    select
        spans.subscription_id,
        customer_discounts.end_at as changes_at
    from spans
    inner join customer_discounts
        on spans.stripe_customer_id = customer_discounts.stripe_customer_id
    where customer_discounts.end_at > spans.first_at and customer_discounts.end_at < spans.last_at
    union
    select
        item_versions.subscription_id,
        price_versions.valid_from as changes_at
    from item_versions
    inner join versions
        on
            item_versions.subscription_id = versions.subscription_id
            and item_versions.version_number = versions.version_number
    inner join price_versions
        on
            item_versions.price_id = price_versions.price_id
            and versions.currency = price_versions.currency
            and not price_versions.is_own_currency
    where price_versions.valid_from > item_versions.valid_from and price_versions.valid_from < item_versions.valid_to
    union
    select
        item_versions.subscription_id,
        automatic_taxes.valid_from as changes_at
    from item_versions
    inner join versions
        on
            item_versions.subscription_id = versions.subscription_id
            and item_versions.version_number = versions.version_number
    inner join automatic_taxes
        on item_versions.subscription_item_id = automatic_taxes.subscription_item_id
    where
        versions.is_automatic_tax
        and automatic_taxes.valid_from > item_versions.valid_from and automatic_taxes.valid_from < item_versions.valid_to
),

stretches as (
    select
        subscription_id,
        changes_at as valid_from,
        coalesce(
            lead(changes_at) over (partition by subscription_id order by changes_at), {{ end_of_time() }}
        ) as valid_to
    from instants
),

-- rates that were set by hand: the item's own, else the subscription's
manual_elements as (
    {{ each_element(
        'item_versions', ['subscription_id', 'version_number', 'subscription_item_id', 'valid_from'], 'tax_rates_json'
    ) }}
    union all
    select
        versions_elements.subscription_id,
        versions_elements.version_number,
        item_versions.subscription_item_id,
        item_versions.valid_from,
        versions_elements.element,
        versions_elements.position
    from ({{ each_element('versions', ['subscription_id', 'version_number'], 'default_tax_rates_json') }}) as versions_elements
    inner join item_versions
        on
            versions_elements.subscription_id = item_versions.subscription_id
            and versions_elements.version_number = item_versions.version_number
    where coalesce(item_versions.tax_rates_json, '[]') = '[]'
),

-- old versions show the rate itself where newer ones name it
{%- set shown = "case when left(manual_elements.element, 1) = '{' then manual_elements.element end" %}
manual_taxes as (
    select
        manual_elements.subscription_id,
        manual_elements.version_number,
        manual_elements.subscription_item_id,
        manual_elements.valid_from,
        sum(case
            when coalesce(tax_rates.is_inclusive, {{ flag_at(shown, 'inclusive') }})
                then coalesce(tax_rates.percentage, {{ decimal_at(shown, 'percentage', 'decimal(12, 6)') }})
            else 0
        end) as inclusive_percent
    from manual_elements
    left join tax_rates
        on {{ element_id('manual_elements.element') }} = tax_rates.object_id
    group by
        manual_elements.subscription_id, manual_elements.version_number, manual_elements.subscription_item_id,
        manual_elements.valid_from
),

stated as (
    select
        stretches.subscription_id,
        item_versions.subscription_item_id,
        stretches.valid_from,
        stretches.valid_to,
        versions.version_number,
        versions.stripe_customer_id,
        versions.status,
        versions.currency,
        versions.is_automatic_tax,
        versions.is_inferred or item_versions.is_inferred as is_inferred,
        item_versions.valid_from as item_valid_from,
        coalesce(
            item_versions.trial_start_at <= stretches.valid_from and item_versions.trial_end_at > stretches.valid_from, false
        ) as is_item_trial,
        coalesce(
            versions.pause_behavior is not null
            and (versions.pause_resumes_at is null or versions.pause_resumes_at > stretches.valid_from),
            false
        ) as is_collection_paused,
        coalesce(versions.is_cancel_at_period_end or versions.cancel_at is not null, false) as is_cancel_asked,
        item_versions.price_id,
        item_versions.quantity,
        item_versions.discounts_json as item_discounts_json,
        versions.discounts_json as subscription_discounts_json
    from stretches
    inner join versions
        on
            stretches.subscription_id = versions.subscription_id
            and stretches.valid_from >= versions.valid_from
            and stretches.valid_from < versions.valid_to
    inner join item_versions
        on
            versions.subscription_id = item_versions.subscription_id
            and versions.version_number = item_versions.version_number
            and stretches.valid_from >= item_versions.valid_from
            and stretches.valid_from < item_versions.valid_to
),

final as (
    select
        stated.subscription_id,
        stated.subscription_item_id,
        stated.valid_from,
        stated.valid_to,
        stated.version_number,
        stated.stripe_customer_id,
        coalesce(links.customer_id, stated.stripe_customer_id) as customer_id,
        stated.status,
        stated.currency,
        stated.is_collection_paused,
        stated.is_cancel_asked,
        stated.is_item_trial,
        stated.is_inferred,
        stated.price_id,
        stated.quantity,
        stated.item_discounts_json,
        stated.subscription_discounts_json,
        price_versions.product_id,
        price_versions.price_type,
        price_versions.usage_type,
        price_versions.recurring_interval,
        price_versions.interval_count,
        price_versions.tiers_mode,
        price_versions.unit_amount_minor,
        price_versions.tiers_json,
        price_versions.divide_by,
        price_versions.round_direction,
        case
            when stated.is_automatic_tax and price_versions.tax_behavior = 'inclusive'
                then coalesce(automatic_taxes.inclusive_percent, 0)
            -- what a price leaves open the account decides: the lines say what that was
            when stated.is_automatic_tax and coalesce(price_versions.tax_behavior, 'unspecified') = 'unspecified'
                then greatest(coalesce(automatic_taxes.inclusive_percent, 0), coalesce(manual_taxes.inclusive_percent, 0))
            else coalesce(manual_taxes.inclusive_percent, 0)
        end as inclusive_percent,
        -- under automatic tax nothing is known before the first invoice: the price stands with its tax, and says so
        coalesce(
            stated.is_automatic_tax and price_versions.tax_behavior = 'inclusive'
            and automatic_taxes.inclusive_percent is null,
            false
        ) as is_gross_of_tax
    from stated
    left join links
        on stated.stripe_customer_id = links.stripe_customer_id
    left join price_versions
        on
            stated.price_id = price_versions.price_id
            and stated.currency = price_versions.currency
            and stated.valid_from >= price_versions.valid_from
            and stated.valid_from < price_versions.valid_to
    left join automatic_taxes
        on
            stated.subscription_item_id = automatic_taxes.subscription_item_id
            and stated.valid_from >= automatic_taxes.valid_from
            and stated.valid_from < automatic_taxes.valid_to
    left join manual_taxes
        on
            stated.subscription_id = manual_taxes.subscription_id
            and stated.version_number = manual_taxes.version_number
            and stated.subscription_item_id = manual_taxes.subscription_item_id
            and stated.item_valid_from = manual_taxes.valid_from
)

select * from final
