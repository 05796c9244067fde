-- one row per invoice, drafts included: its newest content
{{ config(materialized='view') }}
with invoices as (
    select * from {{ ref('int_stripe_invoices') }}
),

events as (
    select * from {{ ref('int_stripe_events') }}
    where event_type = 'invoice.marked_uncollectible'
),

links as (
    select * from {{ ref('int_customer_links') }}
),

-- what was still open when it was given up: the newest content no longer says so once it is paid
write_offs as (
    select
        subject_id as invoice_id,
        max({{ whole_at('object_json', 'amount_remaining') }}) as amount_remaining_minor
    from events
    group by subject_id
),

final as (
    select
        invoices.object_id as invoice_id,
        invoices.stripe_customer_id,
        coalesce(links.customer_id, invoices.stripe_customer_id) as customer_id,
        invoices.subscription_id,
        invoices.status,
        invoices.currency,
        invoices.invoice_number,
        invoices.billing_reason,
        invoices.total_minor,
        invoices.total_excluding_tax_minor,
        invoices.amount_due_minor,
        invoices.amount_paid_minor,
        invoices.amount_remaining_minor,
        case
            when invoices.marked_uncollectible_at is null then null
            when write_offs.amount_remaining_minor is not null then write_offs.amount_remaining_minor
            when invoices.status = 'uncollectible' then invoices.amount_remaining_minor
            else coalesce(invoices.amount_due_minor, invoices.total_minor)
        end as written_off_minor,
        -- nobody told: of what was asked for, something may have been paid before
        invoices.marked_uncollectible_at is not null and write_offs.amount_remaining_minor is null
        and invoices.status <> 'uncollectible' as is_write_off_inferred,
        invoices.attempt_count,
        invoices.next_attempt_at,
        invoices.collection_method,
        invoices.created_at,
        invoices.finalized_at,
        invoices.due_at,
        invoices.paid_at,
        invoices.voided_at,
        invoices.marked_uncollectible_at,
        invoices.period_start_at,
        invoices.period_end_at,
        -- an event's snapshot stops at ten lines; the list record has them all
        case
            when invoices.has_more_lines then coalesce(invoices.record_lines_json, invoices.lines_json)
            else invoices.lines_json
        end as lines_json,
        coalesce(invoices.payments_json, invoices.record_payments_json) as payments_json,
        invoices.charge_id,
        invoices.payment_intent_id,
        invoices.load_id
    from invoices
    left join links
        on invoices.stripe_customer_id = links.stripe_customer_id
    left join write_offs
        on invoices.object_id = write_offs.invoice_id
)

select * from final
