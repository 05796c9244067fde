-- money that is not a whole number is no number here: name the object
select 'invoice line' as object_type, invoice_line_id as object_id from {{ ref('int_invoice_lines') }}
where amount_minor is null
union all
select 'invoice' as object_type, invoice_id as object_id from {{ ref('int_invoices') }}
where total_minor is null and finalized_at is not null
union all
select 'refund' as object_type, refund_id as object_id from {{ ref('int_refunds') }}
where amount_minor is null
union all
select 'dispute' as object_type, dispute_id as object_id from {{ ref('int_disputes') }}
where amount_minor is null
union all
select 'credit note' as object_type, credit_note_id as object_id from {{ ref('int_credit_notes') }}
where total_minor is null
