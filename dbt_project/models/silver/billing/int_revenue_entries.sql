-- one row per signed amount of revenue without tax: an invoice line, or a line's part of what reverses it
with invoices as (
    select * from {{ ref('int_invoices') }}
    where finalized_at is not null
),

lines as (
    select * from {{ ref('int_invoice_lines') }}
    where finalized_at is not null
),

invoice_payments as (
    select * from {{ ref('int_invoice_payments') }}
),

charges as (
    select * from {{ ref('int_charges') }}
),

refunds as (
    select * from {{ ref('int_refunds') }}
    where status = 'succeeded'
),

credit_notes as (
    select * from {{ ref('int_credit_notes') }}
),

disputes as (
    select * from {{ ref('int_disputes') }}
    where status not like 'warning%' and status <> 'prevented'
),

invoice_nets as (
    select
        invoice_id,
        sum(net_minor) as net_minor
    from lines
    group by invoice_id
),

line_entries as (
    select
        'line' as entry_type,
        invoice_line_id as entry_key,
        cast(null as varchar) as reverses_key,
        invoice_id,
        invoice_line_id,
        net_minor as amount_minor,
        finalized_at as occurred_at
    from lines
    union all
    select
        'void' as entry_type,
        lines.invoice_id as entry_key,
        lines.invoice_line_id as reverses_key,
        lines.invoice_id,
        lines.invoice_line_id,
        -lines.net_minor as amount_minor,
        invoices.voided_at as occurred_at
    from lines
    inner join invoices
        on lines.invoice_id = invoices.invoice_id
    where invoices.voided_at is not null
),

credit_note_elements as (
    {{ each_element('credit_notes', ['credit_note_id', 'invoice_id', 'created_at', 'voided_at'], 'lines_json') }}
),

credit_note_lines as (
    select
        credit_note_id,
        invoice_id,
        created_at,
        voided_at,
        position as line_number,
        {{- stripe_credit_note_line('element') }}
    from credit_note_elements
),

credit_parts as (
    select
        *,
        amount_minor - discount_minor - inclusive_tax_minor as net_minor
    from credit_note_lines
),

credit_refund_elements as (
    {{ each_element('credit_notes', ['credit_note_id', 'voided_at'], 'refunds_json') }}
),

-- what a credit note has already taken from revenue is cash only when it is refunded
refund_links as (
    select
        {{ id_at('element', 'refund') }} as refund_id,
        {{ whole_at('element', 'amount_refunded') }} as linked_minor
    from credit_refund_elements
    union all
    select
        refund_id,
        cast(null as bigint) as linked_minor
    from credit_notes
    where refund_id is not null and refunds_json is null
),

linked_refunds as (
    select
        refunds.refund_id,
        least(refunds.amount_minor, sum(coalesce(refund_links.linked_minor, refunds.amount_minor))) as linked_minor
    from refunds
    inner join refund_links
        on refunds.refund_id = refund_links.refund_id
    group by refunds.refund_id, refunds.amount_minor
),

-- gross amounts taken from charges
charge_takings as (
    select
        'refund' as entry_type,
        refunds.refund_id as entry_key,
        cast(null as varchar) as reverses_key,
        refunds.charge_id,
        -(refunds.amount_minor - coalesce(linked_refunds.linked_minor, 0)) as gross_minor,
        refunds.created_at as occurred_at
    from refunds
    left join linked_refunds
        on refunds.refund_id = linked_refunds.refund_id
    union all
    select
        'dispute' as entry_type,
        dispute_id as entry_key,
        cast(null as varchar) as reverses_key,
        charge_id,
        -amount_minor as gross_minor,
        created_at as occurred_at
    from disputes
    union all
    select
        'dispute_reversal' as entry_type,
        dispute_id as entry_key,
        dispute_id as reverses_key,
        charge_id,
        amount_minor as gross_minor,
        closed_at as occurred_at
    from disputes
    where status = 'won'
),

charge_shares as (
    select
        invoice_payments.charge_id,
        invoice_payments.invoice_id,
        invoice_payments.paid_minor,
        sum(invoice_payments.paid_minor) over (partition by invoice_payments.charge_id) as charge_paid_minor,
        count(*) over (partition by invoice_payments.charge_id) as invoice_count,
        row_number() over (partition by invoice_payments.charge_id order by invoice_payments.invoice_id) as invoice_place,
        sum(invoice_payments.paid_minor) over (
            partition by invoice_payments.charge_id
            order by invoice_payments.invoice_id rows between unbounded preceding and current row
        ) as paid_up_to_minor
    from invoice_payments
    inner join invoices
        on invoice_payments.invoice_id = invoices.invoice_id
),

-- the gross amount's part of each invoice (rounded cumulatively, so that the parts add up to it): its revenue part comes below
takings as (
    select
        charge_takings.entry_type,
        charge_takings.entry_key,
        charge_takings.reverses_key,
        charge_shares.invoice_id,
        case
            when charge_shares.invoice_count = 1 then charge_takings.gross_minor
            when charge_shares.charge_paid_minor = 0
                then case when charge_shares.invoice_place = 1 then charge_takings.gross_minor else 0 end
            else
                {{ half_up_quotient(
                    'cast(charge_takings.gross_minor as ' ~ big_integer() ~ ') * charge_shares.paid_up_to_minor',
                    'charge_shares.charge_paid_minor'
                ) }}
                - {{ half_up_quotient(
                    'cast(charge_takings.gross_minor as ' ~ big_integer() ~ ') * (charge_shares.paid_up_to_minor - charge_shares.paid_minor)',
                    'charge_shares.charge_paid_minor'
                ) }}
        end as gross_minor,
        charge_takings.occurred_at
    from charge_takings
    inner join charge_shares
        on charge_takings.charge_id = charge_shares.charge_id
    where charge_takings.gross_minor <> 0
    union all
    select
        'bad_debt' as entry_type,
        invoice_id as entry_key,
        invoice_id as reverses_key,
        invoice_id,
        -written_off_minor as gross_minor,
        marked_uncollectible_at as occurred_at
    from invoices
    where marked_uncollectible_at is not null
    union all
    select
        'bad_debt_recovered' as entry_type,
        invoice_id as entry_key,
        invoice_id as reverses_key,
        invoice_id,
        written_off_minor as gross_minor,
        -- paid after all; or voided, which reverses the lines whole
        coalesce(paid_at, voided_at) as occurred_at
    from invoices
    where marked_uncollectible_at is not null and coalesce(paid_at, voided_at) >= marked_uncollectible_at
),

wholes as (
    select
        takings.entry_type,
        takings.entry_key,
        takings.reverses_key,
        takings.invoice_id,
        cast({{ half_up_quotient(
            'cast(takings.gross_minor as ' ~ big_integer() ~ ') * invoice_nets.net_minor', 'invoices.total_minor'
        ) }} as bigint) as whole_minor,
        takings.occurred_at
    from takings
    inner join invoices
        on takings.invoice_id = invoices.invoice_id
    inner join invoice_nets
        on takings.invoice_id = invoice_nets.invoice_id
    where invoices.total_minor > 0
    union all
    -- a credit note's line that names no line of the invoice is spread over all of them
    select
        'credit_note' as entry_type,
        credit_note_id || '#' || line_number as entry_key,
        invoice_id as reverses_key,
        invoice_id,
        -net_minor as whole_minor,
        created_at as occurred_at
    from credit_parts
    where invoice_line_id is null
    union all
    select
        'credit_note_void' as entry_type,
        credit_note_id || '#' || line_number as entry_key,
        credit_note_id as reverses_key,
        invoice_id,
        net_minor as whole_minor,
        voided_at as occurred_at
    from credit_parts
    where invoice_line_id is null and voided_at is not null
),

-- Split by the lines' nets, largest remainder, ties by line id: the sizes are split, then the sign put back, so that a
-- reversal mirrors what it reverses.
weighted as (
    select
        wholes.*,
        lines.invoice_line_id,
        abs(wholes.whole_minor) as size_minor,
        lines.net_minor as weight,
        sum(lines.net_minor) over (
            partition by wholes.entry_type, wholes.entry_key, wholes.invoice_id
        ) as weights,
        row_number() over (
            partition by wholes.entry_type, wholes.entry_key, wholes.invoice_id order by lines.invoice_line_id
        ) as line_place
    from wholes
    inner join lines
        on wholes.invoice_id = lines.invoice_id
),

floored as (
    select
        *,
        case
            when weights > 0
                then {{ floor_quotient('cast(size_minor as ' ~ big_integer() ~ ') * weight', 'weights') }}
            when line_place = 1 then size_minor
            else 0
        end as part_minor,
        case
            when weights > 0
                then
                    cast(size_minor as {{ big_integer() }}) * weight
                    - weights * {{ floor_quotient('cast(size_minor as ' ~ big_integer() ~ ') * weight', 'weights') }}
            else 0
        end as remainder
    from weighted
),

placed as (
    select
        *,
        row_number() over (
            partition by entry_type, entry_key, invoice_id order by remainder desc, invoice_line_id
        ) as remainder_place,
        size_minor - sum(part_minor) over (partition by entry_type, entry_key, invoice_id) as missing_minor
    from floored
),

split_entries as (
    select
        entry_type,
        entry_key,
        reverses_key,
        invoice_id,
        invoice_line_id,
        cast(
            (part_minor + case when remainder_place <= missing_minor then 1 else 0 end)
            * case when whole_minor < 0 then -1 else 1 end as bigint
        ) as amount_minor,
        occurred_at
    from placed
),

credit_entries as (
    select
        'credit_note' as entry_type,
        credit_note_id || '#' || line_number as entry_key,
        invoice_line_id as reverses_key,
        invoice_id,
        invoice_line_id,
        -net_minor as amount_minor,
        created_at as occurred_at
    from credit_parts
    where invoice_line_id is not null
    union all
    select
        'credit_note_void' as entry_type,
        credit_note_id || '#' || line_number as entry_key,
        credit_note_id as reverses_key,
        invoice_id,
        invoice_line_id,
        net_minor as amount_minor,
        voided_at as occurred_at
    from credit_parts
    where invoice_line_id is not null and voided_at is not null
),

invoice_entries as (
    select * from line_entries
    union all
    select * from credit_entries
    union all
    select * from split_entries
),

described as (
    select
        invoice_entries.entry_type,
        invoice_entries.entry_key,
        invoice_entries.reverses_key,
        invoice_entries.invoice_id,
        invoice_entries.invoice_line_id,
        invoices.customer_id,
        coalesce(lines.subscription_id, invoices.subscription_id) as subscription_id,
        lines.price_id,
        coalesce(lines.revenue_type, 'one_time') as revenue_type,
        invoices.currency,
        cast(invoice_entries.amount_minor as bigint) as amount_minor,
        case when invoice_entries.entry_type = 'line' then lines.discount_minor else 0 end as discount_minor,
        case when invoice_entries.entry_type = 'line' then lines.tax_minor else 0 end as tax_minor,
        lines.quantity,
        lines.is_proration,
        lines.period_start_at,
        lines.period_end_at,
        invoice_entries.occurred_at
    from invoice_entries
    inner join invoices
        on invoice_entries.invoice_id = invoices.invoice_id
    left join lines
        on
            invoice_entries.invoice_id = lines.invoice_id
            and invoice_entries.invoice_line_id = lines.invoice_line_id
    where invoice_entries.entry_type = 'line' or invoice_entries.amount_minor <> 0
),

-- a charge that paid no invoice: all of what is taken back is revenue of its own kind
loose_entries as (
    select
        charge_takings.entry_type,
        charge_takings.entry_key,
        charge_takings.reverses_key,
        cast(null as varchar) as invoice_id,
        charges.charge_id as invoice_line_id,
        coalesce(charges.customer_id, 'unknown') as customer_id,
        cast(null as varchar) as subscription_id,
        cast(null as varchar) as price_id,
        'one_time' as revenue_type,
        charges.currency,
        cast(charge_takings.gross_minor as bigint) as amount_minor,
        0 as discount_minor,
        0 as tax_minor,
        cast(null as decimal(38, 12)) as quantity,
        false as is_proration,
        charge_takings.occurred_at as period_start_at,
        charge_takings.occurred_at as period_end_at,
        charge_takings.occurred_at
    from charge_takings
    inner join charges
        on charge_takings.charge_id = charges.charge_id
    left join charge_shares
        on charge_takings.charge_id = charge_shares.charge_id
    where charge_shares.charge_id is null and charge_takings.gross_minor <> 0
),

final as (
    select * from described
    union all
    select * from loose_entries
)

select * from final
