-- one row per invoice and charge that paid it (partial payments: many to many), with what it paid
with invoices as (
    select * from {{ ref('int_invoices') }}
),

charges as (
    select * from {{ ref('int_charges') }}
    where status = 'succeeded'
),

elements as (
    {{ each_element('invoices', ['invoice_id'], 'payments_json') }}
),

payments as (
    select
        invoice_id,
        {{ id_at('element', 'payment.charge') }} as charge_id,
        {{ id_at('element', 'payment.payment_intent') }} as payment_intent_id,
        {{ whole_at('element', 'amount_paid') }} as paid_minor
    from elements
    where {{ text_at('element', 'status') }} = 'paid'
),

-- older shapes name the charge on the invoice, or the invoice on the charge
found as (
    select
        payments.invoice_id,
        charges.charge_id,
        payments.paid_minor
    from payments
    inner join charges
        on payments.charge_id = charges.charge_id
    union all
    select
        payments.invoice_id,
        charges.charge_id,
        payments.paid_minor
    from payments
    inner join charges
        on payments.payment_intent_id = charges.payment_intent_id
    where payments.charge_id is null
    union all
    select
        invoice_id,
        charge_id,
        amount_minor as paid_minor
    from charges
    where invoice_id is not null
    union all
    select
        invoices.invoice_id,
        charges.charge_id,
        charges.amount_minor as paid_minor
    from invoices
    inner join charges
        on invoices.charge_id = charges.charge_id
    where charges.invoice_id is null
    union all
    select
        invoices.invoice_id,
        charges.charge_id,
        charges.amount_minor as paid_minor
    from invoices
    inner join charges
        on invoices.payment_intent_id = charges.payment_intent_id
    where charges.invoice_id is null and invoices.charge_id is null and invoices.payments_json is null
),

final as (
    select
        invoice_id,
        charge_id,
        max(coalesce(paid_minor, 0)) as paid_minor
    from found
    group by invoice_id, charge_id
)

select * from final
