-- one row per line of an invoice, drafts included
{{ config(materialized='view') }}
with invoice_lines as (
    select * from {{ ref('int_stripe_invoice_lines') }}
),

invoices as (
    select * from {{ ref('int_invoices') }}
),

prices as (
    select
        price_id,
        max(usage_type) as usage_type
    from {{ ref('int_price_versions') }}
    group by price_id
),

lines as (
    select
        invoice_lines.*,
        invoices.customer_id,
        invoices.currency,
        invoices.finalized_at,
        invoices.created_at,
        invoices.subscription_id as invoice_subscription_id
    from invoice_lines
    inner join invoices
        on invoice_lines.invoice_id = invoices.invoice_id
),

final as (
    select
        lines.invoice_line_id,
        lines.invoice_id,
        lines.line_number,
        lines.customer_id,
        coalesce(
            lines.line_subscription_id,
            case when lines.subscription_item_id is not null or lines.line_type = 'subscription' then lines.invoice_subscription_id end
        ) as subscription_id,
        lines.subscription_item_id,
        lines.invoice_item_id,
        lines.price_id,
        lines.currency,
        lines.quantity,
        lines.is_proration,
        case
            when coalesce(prices.usage_type, lines.embedded_usage_type) = 'metered' then 'usage'
            when lines.subscription_item_id is not null or lines.is_proration or lines.line_type = 'subscription' then 'subscription'
            else 'one_time'
        end as revenue_type,
        lines.amount_minor,
        lines.discount_minor,
        lines.inclusive_tax_minor,
        lines.tax_minor,
        lines.net_minor,
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
