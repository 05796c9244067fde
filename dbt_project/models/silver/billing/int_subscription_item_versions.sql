-- one row per subscription item and stretch of time within one version of its subscription (an inferred one is cut where its invoices show a change)
{{ config(
    materialized='incremental',
    incremental_strategy='replace_touched',
    unique_key='subscription_id',
    touched_by='int_subscription_loads',
    computed_once=['known', 'seen_points'],
) }}
{% set listed_columns = stripe_subscription_item('fields') %}
{% set item_columns = stripe_head('fields') ~ ',' ~ stripe_invoice_item('fields') %}
with touched as (
    {{ touched(ref('int_subscription_loads')) }}
),

versions as (
    select versions.*
    from {{ ref('int_subscription_versions') }} as versions
    inner join touched
        on versions.subscription_id = touched.subscription_id
),

invoices as (
    select
        invoices.object_id as invoice_id,
        invoices.subscription_id,
        invoices.created_at
    from {{ ref('int_stripe_invoices') }} as invoices
    inner join touched
        on invoices.subscription_id = touched.subscription_id
    where invoices.finalized_at is not null
),

invoice_item_objects as (
    select * from {{ ref('int_stripe_objects') }}
    where object_type = 'invoiceitem' and not is_deleted
),

invoice_lines as (
    select * from {{ ref('int_stripe_invoice_lines') }}
),

elements as (
    {{ each_element(
        'versions', ['subscription_id', 'version_number', 'valid_from', 'valid_to', 'noted_at', 'is_inferred', 'has_more_items'],
        'items_json'
    ) }}
),

opened_elements as (
    select
        *,
        {{ opened('element', listed_columns) }}
    from elements
),

listed as (
    select
        subscription_id,
        version_number,
        valid_from,
        valid_to,
        noted_at,
        is_inferred,
        {{- listed_columns }}
    from opened_elements
),

-- A snapshot that was cut shows some of the items: the others are taken from the nearest whole one.
whole_versions as (
    select
        cut.subscription_id,
        cut.version_number,
        cut.valid_from,
        cut.valid_to,
        cut.noted_at,
        cut.is_inferred,
        min(whole.version_number) as whole_number
    from versions as cut
    inner join versions as whole
        on
            cut.subscription_id = whole.subscription_id
            and cut.has_more_items and not whole.has_more_items
            and whole.version_number > cut.version_number
    group by cut.subscription_id, cut.version_number, cut.valid_from, cut.valid_to, cut.noted_at, cut.is_inferred
),

missing_items as (
    select
        whole_versions.subscription_id,
        whole_versions.version_number,
        whole_versions.valid_from,
        whole_versions.valid_to,
        whole_versions.noted_at,
        true as is_inferred,
        whole_items.subscription_item_id,
        whole_items.price_id,
        whole_items.quantity,
        whole_items.discounts_json,
        whole_items.tax_rates_json,
        whole_items.embedded_price_json,
        whole_items.trial_start_at,
        whole_items.trial_end_at,
        whole_items.created_at
    from whole_versions
    inner join listed as whole_items
        on
            whole_versions.subscription_id = whole_items.subscription_id
            and whole_versions.whole_number = whole_items.version_number
    left join listed as shown
        on
            whole_versions.subscription_id = shown.subscription_id
            and whole_versions.version_number = shown.version_number
            and whole_items.subscription_item_id = shown.subscription_item_id
    where shown.subscription_item_id is null and whole_items.created_at < whole_versions.valid_to
),

known as (
    select * from listed
    union all
    select * from missing_items
),

inferred_versions as (
    select * from versions
    where is_inferred
),

inferred_subscriptions as (
    select
        subscription_id
    from inferred_versions
    group by subscription_id
),

read_lines as (
    select
        invoices.subscription_id,
        invoices.created_at,
        invoice_lines.invoice_id,
        invoice_lines.invoice_line_id,
        invoice_lines.invoice_item_id,
        invoice_lines.subscription_item_id,
        invoice_lines.price_id,
        invoice_lines.quantity,
        invoice_lines.amount_minor,
        invoice_lines.is_proration,
        invoice_lines.period_start_at,
        invoice_lines.period_end_at
    from invoice_lines
    inner join invoices
        on invoice_lines.invoice_id = invoices.invoice_id
    inner join inferred_subscriptions
        on invoices.subscription_id = inferred_subscriptions.subscription_id
),

opened_invoice_items as (
    select
        {{ opened('raw_json', item_columns) }}
    from invoice_item_objects
),

invoice_items as (
    select
        {{- item_columns }}
    from opened_invoice_items
),

-- a proration that waited for the next invoice names only its invoice item, and that the subscription's item
lines as (
    select
        read_lines.subscription_id,
        read_lines.created_at,
        read_lines.invoice_id,
        read_lines.invoice_line_id,
        coalesce(read_lines.subscription_item_id, invoice_items.subscription_item_id) as subscription_item_id,
        read_lines.price_id,
        read_lines.quantity,
        read_lines.amount_minor,
        read_lines.is_proration,
        read_lines.period_start_at,
        read_lines.period_end_at
    from read_lines
    left join invoice_items
        on read_lines.invoice_item_id = invoice_items.object_id
    union all
    -- those that still wait (a year's subscription invoices them at its end)
    select
        invoice_items.subscription_id,
        invoice_items.invoiced_at as created_at,
        invoice_items.invoice_id,
        invoice_items.object_id as invoice_line_id,
        invoice_items.subscription_item_id,
        invoice_items.price_id,
        invoice_items.quantity,
        invoice_items.amount_minor,
        invoice_items.is_proration,
        invoice_items.period_start_at,
        invoice_items.period_end_at
    from invoice_items
    inner join inferred_subscriptions
        on invoice_items.subscription_id = inferred_subscriptions.subscription_id
    where invoice_items.invoice_id is null and invoice_items.is_proration
),

-- Of a price with tiers an invoice has a line for each tier, and one without a quantity for each flat fee: together they are one.
charges as (
    select
        subscription_id,
        subscription_item_id,
        price_id,
        period_start_at,
        max(period_end_at) as period_end_at,
        max(created_at) as created_at,
        max(invoice_line_id) as invoice_line_id,
        cast(sum(cast(quantity as bigint)) as bigint) as quantity
    from lines
    where subscription_item_id is not null and quantity is not null and amount_minor >= 0
    group by
        subscription_id, subscription_item_id, price_id, period_start_at, invoice_id,
        case when is_proration then invoice_line_id end
),

-- what an item cost from an instant on, by the lines that charge it: a period's, or a proration's for the rest of one
charged_points as (
    select
        subscription_id,
        subscription_item_id,
        period_start_at as holds_from,
        max(period_end_at) as paid_until,
        {{ arg_max('price_id', '(created_at, invoice_line_id)') }} as price_id,
        {{ arg_max('quantity', '(created_at, invoice_line_id)') }} as quantity
    from charges
    group by subscription_id, subscription_item_id, period_start_at
),

-- what the first line says of the time before it: a credit what the item was until then, a charge what it still is
first_lines as (
    select
        *,
        row_number() over (
            partition by subscription_id, subscription_item_id order by period_start_at, stage, created_at, invoice_line_id
        ) as place
    from (
        select subscription_id, subscription_item_id, price_id, quantity, period_start_at, created_at, invoice_line_id, 1 as stage
        from charges
        union all
        select
            subscription_id,
            subscription_item_id,
            price_id,
            cast(quantity as bigint) as quantity,
            period_start_at,
            created_at,
            invoice_line_id,
            0 as stage
        from lines
        where subscription_item_id is not null and quantity is not null and is_proration and amount_minor < 0
    ) as told
),

makings as (
    select
        subscription_id,
        subscription_item_id,
        min(coalesce(created_at, valid_from)) as made_at
    from known
    where is_inferred
    group by subscription_id, subscription_item_id
),

charge_points as (
    select
        subscription_id,
        subscription_item_id,
        holds_from,
        price_id,
        quantity
    from charged_points
    union all
    -- invoices may be known from a later day on than the subscription is
    select
        makings.subscription_id,
        makings.subscription_item_id,
        makings.made_at as holds_from,
        first_lines.price_id,
        first_lines.quantity
    from makings
    inner join first_lines
        on
            makings.subscription_id = first_lines.subscription_id
            and makings.subscription_item_id = first_lines.subscription_item_id
    where first_lines.place = 1 and makings.made_at < first_lines.period_start_at
),

-- a credit for the rest of a period: from then on the item was what the next line charges (a free plan), or gone
credit_points as (
    select
        subscription_id,
        subscription_item_id,
        period_start_at as holds_from
    from lines
    where subscription_item_id is not null and is_proration and amount_minor < 0
    group by subscription_id, subscription_item_id, period_start_at
),

items_with_lines as (
    select
        subscription_id,
        subscription_item_id,
        max(paid_until) as paid_until
    from charged_points
    group by subscription_id, subscription_item_id
),

-- What was seen: from then on; without any line since the item was made.
seen_points as (
    select
        known.*,
        case
            when items_with_lines.subscription_item_id is null then coalesce(known.created_at, known.valid_from)
            else known.noted_at
        end as holds_from
    from known
    left join items_with_lines
        on
            known.subscription_id = items_with_lines.subscription_id
            and known.subscription_item_id = items_with_lines.subscription_item_id
    where known.is_inferred
),

-- a renewal at the same price tells nothing new, if nothing else was told in between
compared_points as (
    select
        *,
        lag(stage) over (partition by subscription_id, subscription_item_id order by holds_from, stage) as stage_before,
        lag(price_id) over (partition by subscription_id, subscription_item_id order by holds_from, stage) as price_before,
        lag(quantity) over (partition by subscription_id, subscription_item_id order by holds_from, stage) as quantity_before
    from (
        select subscription_id, subscription_item_id, holds_from, price_id, quantity, 1 as stage from charge_points
        union all
        select subscription_id, subscription_item_id, holds_from, null as price_id, null as quantity, 0 as stage from credit_points
        union all
        select subscription_id, subscription_item_id, holds_from, price_id, quantity, 3 as stage from seen_points
    ) as points
),

line_points as (
    select
        subscription_id,
        subscription_item_id,
        holds_from,
        price_id,
        quantity
    from compared_points
    where stage = 1 and not coalesce(stage_before = 1 and price_before = price_id and quantity_before = quantity, false)
),

inferred_points as (
    -- from the lines
    select
        inferred_versions.subscription_id,
        inferred_versions.version_number,
        inferred_versions.valid_from,
        inferred_versions.valid_to,
        line_points.subscription_item_id,
        line_points.holds_from,
        line_points.price_id,
        line_points.quantity,
        1 as stage
    from inferred_versions
    inner join line_points
        on
            inferred_versions.subscription_id = line_points.subscription_id
            and line_points.holds_from < inferred_versions.valid_to
    union all
    -- from the credits
    select
        inferred_versions.subscription_id,
        inferred_versions.version_number,
        inferred_versions.valid_from,
        inferred_versions.valid_to,
        credit_points.subscription_item_id,
        credit_points.holds_from,
        cast(null as string) as price_id,
        cast(null as bigint) as quantity,
        0 as stage
    from inferred_versions
    inner join credit_points
        on
            inferred_versions.subscription_id = credit_points.subscription_id
            and credit_points.holds_from < inferred_versions.valid_to
    union all
    -- what is gone by the first sight was there until the last period that was paid
    select
        inferred_versions.subscription_id,
        inferred_versions.version_number,
        inferred_versions.valid_from,
        inferred_versions.valid_to,
        items_with_lines.subscription_item_id,
        items_with_lines.paid_until as holds_from,
        cast(null as string) as price_id,
        cast(null as bigint) as quantity,
        2 as stage
    from inferred_versions
    inner join items_with_lines
        on
            inferred_versions.subscription_id = items_with_lines.subscription_id
            and items_with_lines.paid_until < inferred_versions.valid_to
    left join known
        on
            inferred_versions.subscription_id = known.subscription_id
            and inferred_versions.version_number = known.version_number
            and items_with_lines.subscription_item_id = known.subscription_item_id
    where known.subscription_item_id is null
    union all
    -- from what was seen
    select
        subscription_id,
        version_number,
        valid_from,
        valid_to,
        subscription_item_id,
        holds_from,
        price_id,
        quantity,
        3 as stage
    from seen_points
),

filled_points as (
    select
        subscription_id,
        version_number,
        valid_from,
        valid_to,
        subscription_item_id,
        holds_from,
        stage,
        case
            when stage = 0
                then lead(price_id) over (partition by subscription_item_id, version_number order by holds_from, stage)
            else price_id
        end as price_id,
        case
            when stage = 0
                then lead(quantity) over (partition by subscription_item_id, version_number order by holds_from, stage)
            else quantity
        end as quantity
    from inferred_points
),

-- points before the version's beginning fall on it: the last one stands
placed_points as (
    select
        *,
        greatest(holds_from, valid_from) as point_from,
        row_number() over (
            partition by subscription_item_id, version_number, greatest(holds_from, valid_from)
            order by holds_from desc, stage desc
        ) as place
    from filled_points
    where holds_from < valid_to
),

inferred_stretches as (
    select
        subscription_id,
        subscription_item_id,
        version_number,
        point_from as valid_from,
        coalesce(
            lead(point_from) over (partition by subscription_item_id, version_number order by point_from), valid_to
        ) as valid_to,
        price_id,
        quantity
    from placed_points
    where place = 1
),

stretches as (
    select
        subscription_id,
        subscription_item_id,
        version_number,
        valid_from,
        valid_to,
        price_id,
        quantity,
        discounts_json,
        tax_rates_json,
        embedded_price_json,
        trial_start_at,
        trial_end_at,
        false as is_inferred
    from known
    where not is_inferred
    union all
    select
        inferred_stretches.subscription_id,
        inferred_stretches.subscription_item_id,
        inferred_stretches.version_number,
        inferred_stretches.valid_from,
        inferred_stretches.valid_to,
        inferred_stretches.price_id,
        inferred_stretches.quantity,
        known.discounts_json,
        known.tax_rates_json,
        case when known.price_id = inferred_stretches.price_id then known.embedded_price_json end as embedded_price_json,
        known.trial_start_at,
        known.trial_end_at,
        true as is_inferred
    from inferred_stretches
    left join known
        on
            inferred_stretches.subscription_id = known.subscription_id
            and inferred_stretches.version_number = known.version_number
            and inferred_stretches.subscription_item_id = known.subscription_item_id
    where inferred_stretches.price_id is not null
),

final as (
    select
        stretches.subscription_id,
        stretches.subscription_item_id,
        stretches.version_number,
        stretches.valid_from,
        stretches.valid_to,
        stretches.price_id,
        stretches.quantity,
        stretches.discounts_json,
        stretches.tax_rates_json,
        stretches.embedded_price_json,
        stretches.trial_start_at,
        stretches.trial_end_at,
        stretches.is_inferred,
        touched.load_id
    from stretches
    inner join touched
        on stretches.subscription_id = touched.subscription_id
)

select * from final
