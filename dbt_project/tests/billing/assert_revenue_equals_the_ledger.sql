-- Σ gold per currency = Σ (finalised invoices ex tax − voided ones − credit notes ex tax), to the minor unit; and every
-- invoice, so that a difference names it
with revenue as (
    select
        stripe_invoice_id as invoice_id,
        currency,
        sum(amount_minor) as gold_minor
    from {{ ref('fact_revenue') }}
    where entry_type in ('line', 'void', 'credit_note', 'credit_note_void')
    group by stripe_invoice_id, currency
),

invoices as (
    select
        invoice_id,
        currency,
        case when voided_at is null then total_excluding_tax_minor else 0 end as ledger_minor
    from {{ ref('int_invoices') }}
    where finalized_at is not null
),

credit_notes as (
    select
        invoice_id,
        sum(total_excluding_tax_minor) as credited_minor
    from {{ ref('int_credit_notes') }}
    where voided_at is null
    group by invoice_id
)

select
    coalesce(revenue.invoice_id, invoices.invoice_id) as invoice_id,
    coalesce(revenue.currency, invoices.currency) as currency,
    revenue.gold_minor,
    invoices.ledger_minor - coalesce(credit_notes.credited_minor, 0) as ledger_minor
from revenue
full outer join invoices
    on revenue.invoice_id = invoices.invoice_id and revenue.currency = invoices.currency
left join credit_notes
    on invoices.invoice_id = credit_notes.invoice_id
where coalesce(revenue.gold_minor, 0) <> coalesce(invoices.ledger_minor, 0) - coalesce(credit_notes.credited_minor, 0)
