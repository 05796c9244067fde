-- one row per line of an invoice, drafts included
{% set columns = stripe_invoice_line('fields') %}
with invoices as (
    select * from {{ ref('int_invoices') }}
),

prices as (
    select
        price_id,
        max(usage_type) as usage_type
    from {{ ref('int_price_versions') }}
    group by price_id
),

elements as (
    {{ each_element('invoices', ['invoice_id', 'subscription_id', 'customer_id', 'currency', 'finalized_at', 'created_at'], 'lines_json') }}
),

opened as (
    select
        *,
        {{ opened('element', columns) }}
    from elements
),

lines as (
    select
        invoice_id,
        customer_id,
        currency,
        finalized_at,
        created_at,
        position as line_number,
        subscription_id as invoice_subscription_id,
        {{- columns }}
    from opened
),

final as (
    select
        lines.invoice_line_id,
        lines.invoice_id,
        lines.line_number,
        lines.customer_id,
        coalesce(
            lines.line_subscription_id,
            case when lines.subscription_item_id is not null then lines.invoice_subscription_id end
        ) as subscription_id,
        lines.subscription_item_id,
        lines.invoice_item_id,
        lines.price_id,
        lines.currency,
        lines.quantity,
        lines.is_proration,
        case
            when coalesce(prices.usage_type, lines.embedded_usage_type) = 'metered' then 'usage'
            when lines.subscription_item_id is not null or lines.is_proration then 'subscription'
            else 'one_time'
        end as revenue_type,
        lines.amount_minor,
        lines.discount_minor,
        lines.inclusive_tax_minor,
        lines.tax_minor,
        lines.amount_minor - lines.discount_minor - lines.inclusive_tax_minor as net_minor,
        lines.line_description,
        lines.taxes_json,
        lines.discount_amounts_json,
        lines.period_start_at,
        lines.period_end_at,
        lines.finalized_at,
        lines.created_at
    from lines
    left join prices
        on lines.price_id = prices.price_id
)

select * from final
