-- an invoice's total is the sum of its lines: fewer lines than it has (cut after ten) name it
select
    invoices.invoice_id,
    invoices.total_minor,
    sum(lines.amount_minor - lines.discount_minor + lines.tax_minor - lines.inclusive_tax_minor) as lines_minor
from {{ ref('int_invoices') }} as invoices
left join {{ ref('int_invoice_lines') }} as lines
    on invoices.invoice_id = lines.invoice_id
where invoices.finalized_at is not null
group by invoices.invoice_id, invoices.total_minor
having invoices.total_minor <> coalesce(sum(lines.amount_minor - lines.discount_minor + lines.tax_minor - lines.inclusive_tax_minor), 0)
