-- Σ gold per currency = Σ (finalised invoices ex tax − voided ones − credit notes ex tax), to the minor unit. The documents' own
-- totals stand on the one side, gold's lines on the other, and every invoice by itself, so that a difference names it.
with invoices as (
    select * from {{ ref('int_invoices') }}
    where finalized_at is not null
),

-- a void ends its credit notes too
credit_notes as (
    select credit_notes.* from {{ ref('int_credit_notes') }} as credit_notes
    left join invoices
        on credit_notes.invoice_id = invoices.invoice_id
    where credit_notes.voided_at is null and invoices.voided_at is null
),

sums as (
    select stripe_invoice_id as invoice_id, currency, amount_minor as gold_minor, 0 as ledger_minor
    from {{ ref('fact_revenue') }}
    where entry_type in ('line', 'void', 'credit_note', 'credit_note_void')
    union all
    select invoice_id, currency, 0 as gold_minor, case when voided_at is null then total_excluding_tax_minor else 0 end as ledger_minor
    from invoices
    union all
    select invoice_id, currency, 0 as gold_minor, -total_excluding_tax_minor as ledger_minor
    from credit_notes
)

select
    invoice_id,
    currency,
    sum(gold_minor) as gold_minor,
    sum(ledger_minor) as ledger_minor
from sums
group by invoice_id, currency
having sum(gold_minor) <> sum(ledger_minor)
