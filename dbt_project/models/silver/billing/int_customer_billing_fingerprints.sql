-- one row per customer: a fingerprint of all that its revenue and payments are made of
with invoices as (
    select * from {{ ref('int_invoices') }}
),

invoice_lines as (
    select * from {{ ref('int_stripe_invoice_lines') }}
),

invoice_payments as (
    select * from {{ ref('int_stripe_invoice_payments') }}
),

prices as (
    select
        price_id,
        max(usage_type) as usage_type
    from {{ ref('int_price_versions') }}
    group by price_id
),

charges as (
    select * from {{ ref('int_charges') }}
),

refunds as (
    select * from {{ ref('int_refunds') }}
),

disputes as (
    select * from {{ ref('int_disputes') }}
),

credit_notes as (
    select * from {{ ref('int_credit_notes') }}
),

-- a charge without a customer is that of the invoices that it pays, and everything that is nobody's
nameless_charges as (
    select * from charges
    where customer_id is null
),

nameless_owners as (
    select
        nameless_charges.charge_id,
        invoices.customer_id
    from nameless_charges
    inner join invoices
        on
            nameless_charges.invoice_id = invoices.invoice_id
            or nameless_charges.charge_id = invoices.charge_id
            or nameless_charges.payment_intent_id = invoices.payment_intent_id
    union
    select
        nameless_charges.charge_id,
        invoices.customer_id
    from nameless_charges
    inner join invoice_payments
        on
            nameless_charges.charge_id = invoice_payments.charge_id
            or nameless_charges.payment_intent_id = invoice_payments.payment_intent_id
    inner join invoices
        on invoice_payments.invoice_id = invoices.invoice_id
    union
    select
        charge_id,
        'unknown' as customer_id
    from nameless_charges
),

charge_owners as (
    select
        charge_id,
        customer_id
    from charges
    where customer_id is not null
    union all
    select
        charge_id,
        customer_id
    from nameless_owners
),

-- whatever is taken from a charge: few beside the charges themselves
takings as (
    select
        charge_id,
        {{ row_print(["'refund'", 'refund_id', 'status', 'amount_minor', 'created_at']) }} as print
    from refunds
    union all
    select
        charge_id,
        {{ row_print(["'dispute'", 'dispute_id', 'status', 'amount_minor', 'created_at', 'closed_at']) }} as print
    from disputes
),

prints as (
    select
        customer_id,
        {{ row_print(["'invoice'", 'invoice_id', 'load_id', 'written_off_minor']) }} as print
    from invoices
    union all
    -- a price decides whether a line is usage
    select
        invoices.customer_id,
        {{ row_print(["'metered'", 'invoice_lines.invoice_line_id']) }} as print
    from invoice_lines
    left join prices
        on invoice_lines.price_id = prices.price_id
    inner join invoices
        on invoice_lines.invoice_id = invoices.invoice_id
    where coalesce(prices.usage_type, invoice_lines.embedded_usage_type) = 'metered'
    union all
    select
        coalesce(charges.customer_id, nameless_owners.customer_id) as customer_id,
        {{ row_print(["'charge'", 'charges.charge_id', 'charges.load_id']) }} as print
    from charges
    left join nameless_owners
        on charges.charge_id = nameless_owners.charge_id
    union all
    select
        charge_owners.customer_id,
        takings.print
    from takings
    inner join charge_owners
        on takings.charge_id = charge_owners.charge_id
    union all
    select
        invoices.customer_id,
        {{ row_print([
            "'credit_note'", 'credit_notes.credit_note_id', 'credit_notes.status', 'credit_notes.credit_note_type',
            'credit_notes.total_minor', 'credit_notes.pre_payment_minor', 'credit_notes.created_at', 'credit_notes.voided_at',
            'credit_notes.lines_json', 'credit_notes.refunds_json', 'credit_notes.refund_id',
        ]) }} as print
    from credit_notes
    inner join invoices
        on credit_notes.invoice_id = invoices.invoice_id
),

final as (
    select
        customer_id,
        sum(print) as fingerprint
    from prints
    where customer_id is not null
    group by customer_id
)

select * from final
