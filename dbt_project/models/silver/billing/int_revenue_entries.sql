-- one row per signed amount of revenue without tax: an invoice line, or a line's part of what reverses it
{{ config(
    materialized='incremental',
    incremental_strategy='replace_changed',
    unique_key='customer_id',
    fingerprints='int_customer_billing_fingerprints',
    post_hook=take_in('int_customer_billing_fingerprints'),
    computed_once=['taken_entries', 'returned_entries'],
) }}
-- depends_on: {{ ref('int_customer_billing_fingerprints') }}
with
{%- if is_incremental() %}
changed as (
    {{ changed_keys('int_customer_billing_fingerprints', 'customer_id') }}
),
{%- endif %}

invoices as (
    select invoices.*
    from {{ ref('int_invoices') }} as invoices
    {%- if is_incremental() %}
    inner join changed
        on invoices.customer_id = changed.customer_id
    {%- endif %}
    where invoices.finalized_at is not null
),

lines as (
    select lines.*
    from {{ ref('int_invoice_lines') }} as lines
    {%- if is_incremental() %}
    inner join changed
        on lines.customer_id = changed.customer_id
    {%- endif %}
    where lines.finalized_at is not null
),

invoice_payments as (
    select * from {{ ref('int_invoice_payments') }}
),

charges as (
    select charges.*
    from {{ ref('int_charges') }} as charges
    {%- if is_incremental() %}
    inner join changed
        on coalesce(charges.customer_id, 'unknown') = changed.customer_id
    {%- endif %}
),

refunds as (
    select * from {{ ref('int_refunds') }}
    -- the oldest refunds have no status: they were done at once
    where coalesce(status, 'succeeded') = 'succeeded'
),

credit_notes as (
    select * from {{ ref('int_credit_notes') }}
),

disputes as (
    select * from {{ ref('int_disputes') }}
    {%- if var('disputes_count_from') == 'loss' %}
    where status = 'lost'
    {%- else %}
    -- what was refunded before it was decided is the refund's
    where status not like 'warning%' and status not in ('prevented', 'charge_refunded')
    {%- endif %}
),

invoice_nets as (
    select
        invoice_id,
        sum(net_minor) as net_minor
    from lines
    group by invoice_id
),

credit_note_elements as (
    {{ each_element('credit_notes', ['credit_note_id', 'invoice_id', 'created_at'], 'lines_json') }}
),

credit_note_lines as (
    select
        credit_note_id,
        invoice_id,
        created_at,
        position as line_number,
        {{- stripe_credit_note_line('element') }}
    from credit_note_elements
),

-- a line that names none of this invoice's lines is spread over all of them
credit_parts as (
    select
        credit_note_lines.credit_note_id,
        credit_note_lines.credit_note_id || '#' || credit_note_lines.line_number as entry_key,
        credit_note_lines.invoice_id,
        lines.invoice_line_id,
        credit_note_lines.amount_minor - credit_note_lines.discount_minor - credit_note_lines.inclusive_tax_minor as net_minor,
        credit_note_lines.created_at as occurred_at
    from credit_note_lines
    left join lines
        on
            credit_note_lines.invoice_id = lines.invoice_id
            and credit_note_lines.invoice_line_id = lines.invoice_line_id
),

notes_in_force as (
    select * from credit_notes
    where voided_at is null
),

credit_refund_elements as (
    {{ each_element('notes_in_force', ['credit_note_id'], 'refunds_json') }}
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
    from notes_in_force
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

-- gross amounts taken back from charges
charge_takings as (
    select
        'refund' as entry_type,
        refunds.refund_id as entry_key,
        refunds.charge_id,
        refunds.amount_minor - coalesce(linked_refunds.linked_minor, 0) as size_minor,
        refunds.created_at as occurred_at
    from refunds
    left join linked_refunds
        on refunds.refund_id = linked_refunds.refund_id
    union all
    select
        'dispute' as entry_type,
        dispute_id as entry_key,
        charge_id,
        amount_minor as size_minor,
        {{ 'coalesce(closed_at, created_at)' if var('disputes_count_from') == 'loss' else 'created_at' }} as occurred_at
    from disputes
),

-- Every rounding from here on is of what has been taken in all, so that a refund in two steps is the whole to the minor unit,
-- on every line of every invoice.
charge_levels as (
    select
        *,
        sum(size_minor) over (
            partition by charge_id
            order by occurred_at, entry_type, entry_key rows between unbounded preceding and current row
        ) as taken_minor
    from charge_takings
    where size_minor <> 0
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

paid_before_write_off as (
    select
        invoices.invoice_id,
        sum(invoice_payments.paid_minor) as paid_minor
    from invoices
    inner join invoice_payments
        on invoices.invoice_id = invoice_payments.invoice_id
    inner join charges
        on invoice_payments.charge_id = charges.charge_id and charges.created_at < invoices.marked_uncollectible_at
    group by invoices.invoice_id
),

-- what a charge's takings are of each invoice that it paid, by what it paid of each
invoice_takings as (
    select
        charge_levels.entry_type,
        charge_levels.entry_key,
        charge_shares.invoice_id,
        case
            when charge_shares.charge_paid_minor = 0
                then case when charge_shares.invoice_place = 1 then charge_levels.size_minor else 0 end
            else
                {%- set shares = [
                    ('', 'taken_minor', 'paid_up_to_minor'),
                    ('-', 'taken_minor', 'paid_before_minor'),
                    ('-', 'taken_before_minor', 'paid_up_to_minor'),
                    ('+', 'taken_before_minor', 'paid_before_minor'),
                ] %}
                {%- for sign, taken, paid in shares %}
                {{ sign }} {{ half_up_quotient(
                    'cast(charge_levels.' ~ taken ~ ' as ' ~ big_integer() ~ ') * charge_shares.' ~ paid,
                    'charge_shares.charge_paid_minor'
                ) }}
                {%- endfor %}
        end as size_minor,
        charge_levels.occurred_at
    from (
        select *, taken_minor - size_minor as taken_before_minor from charge_levels
    ) as charge_levels
    inner join (
        select *, paid_up_to_minor - paid_minor as paid_before_minor from charge_shares
    ) as charge_shares
        on charge_levels.charge_id = charge_shares.charge_id
    union all
    select
        'bad_debt' as entry_type,
        invoices.invoice_id as entry_key,
        invoices.invoice_id,
        case
            when invoices.is_write_off_inferred
                then greatest(invoices.written_off_minor - coalesce(paid_before_write_off.paid_minor, 0), 0)
            else invoices.written_off_minor
        end as size_minor,
        invoices.marked_uncollectible_at as occurred_at
    from invoices
    left join paid_before_write_off
        on invoices.invoice_id = paid_before_write_off.invoice_id
    where invoices.marked_uncollectible_at is not null and {{ var('bad_debt_reduces_revenue') }}
),

invoice_levels as (
    select
        *,
        sum(size_minor) over (
            partition by invoice_id
            order by occurred_at, entry_type, entry_key rows between unbounded preceding and current row
        ) as taken_minor
    from invoice_takings
    where size_minor <> 0
),

-- revenue without tax that has been taken from an invoice up to an entry (level 1), and before it (level 0)
wholes as (
    {%- for level, taken in [(1, 'invoice_levels.taken_minor'), (0, 'invoice_levels.taken_minor - invoice_levels.size_minor')] %}
    select
        invoice_levels.entry_type,
        invoice_levels.entry_key,
        {{ level }} as level,
        invoice_levels.invoice_id,
        -1 as direction,
        {{ half_up_quotient(
            'cast(' ~ taken ~ ' as ' ~ big_integer() ~ ') * invoice_nets.net_minor', 'invoices.total_minor'
        ) }} as size_minor,
        invoice_levels.occurred_at
    from invoice_levels
    inner join invoices
        on invoice_levels.invoice_id = invoices.invoice_id
    inner join invoice_nets
        on invoice_levels.invoice_id = invoice_nets.invoice_id
    where invoices.total_minor > 0
    union all
    {%- endfor %}
    select
        'credit_note' as entry_type,
        entry_key,
        1 as level,
        invoice_id,
        case when net_minor < 0 then 1 else -1 end as direction,
        abs(net_minor) as size_minor,
        occurred_at
    from credit_parts
    where invoice_line_id is null
),

-- split by the lines' nets, largest remainder, ties by line id
weighted as (
    select
        wholes.*,
        lines.invoice_line_id,
        lines.net_minor as weight,
        sum(lines.net_minor) over (
            partition by wholes.entry_type, wholes.entry_key, wholes.level, wholes.invoice_id
        ) as weights,
        row_number() over (
            partition by wholes.entry_type, wholes.entry_key, wholes.level, wholes.invoice_id order by lines.invoice_line_id
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
            partition by entry_type, entry_key, level, invoice_id order by remainder desc, invoice_line_id
        ) as remainder_place,
        size_minor - sum(part_minor) over (partition by entry_type, entry_key, level, invoice_id) as missing_minor
    from floored
),

split_entries as (
    select
        entry_type,
        entry_key,
        invoice_id,
        invoice_line_id,
        cast(sum(
            direction * case when level = 1 then 1 else -1 end
            * (part_minor + case when remainder_place <= missing_minor then 1 else 0 end)
        ) as bigint) as amount_minor,
        occurred_at
    from placed
    group by entry_type, entry_key, invoice_id, invoice_line_id, occurred_at
),

taken_entries as (
    select
        entry_type,
        entry_key,
        case when entry_type in ('credit_note', 'bad_debt') then invoice_id end as reverses_key,
        invoice_id,
        invoice_line_id,
        amount_minor,
        occurred_at
    from split_entries
    union all
    select
        'credit_note' as entry_type,
        entry_key,
        invoice_line_id as reverses_key,
        invoice_id,
        invoice_line_id,
        -net_minor as amount_minor,
        occurred_at
    from credit_parts
    where invoice_line_id is not null
),

-- What is given back is, line by line, what was taken. A void ends it all: a credit note that is voided with or after its
-- invoice has nothing left to give back.
returns as (
    select
        'dispute' as entry_type,
        dispute_id as entry_key,
        'dispute_reversal' as return_type,
        dispute_id as reverses_key,
        closed_at as occurred_at
    from disputes
    where status = 'won'
    union all
    select
        'bad_debt' as entry_type,
        invoice_id as entry_key,
        'bad_debt_recovered' as return_type,
        invoice_id as reverses_key,
        -- paid after all; or voided, which reverses the lines whole
        coalesce(paid_at, voided_at) as occurred_at
    from invoices
    where marked_uncollectible_at is not null and coalesce(paid_at, voided_at) >= marked_uncollectible_at
    union all
    select
        'credit_note' as entry_type,
        credit_parts.entry_key,
        'credit_note_void' as return_type,
        credit_notes.credit_note_id as reverses_key,
        credit_notes.voided_at as occurred_at
    from credit_parts
    inner join credit_notes
        on credit_parts.credit_note_id = credit_notes.credit_note_id
    inner join invoices
        on credit_parts.invoice_id = invoices.invoice_id
    where credit_notes.voided_at < coalesce(invoices.voided_at, {{ end_of_time() }})
),

returned_entries as (
    select
        returns.return_type as entry_type,
        returns.entry_key,
        returns.reverses_key,
        taken_entries.invoice_id,
        taken_entries.invoice_line_id,
        -taken_entries.amount_minor as amount_minor,
        returns.occurred_at
    from returns
    inner join taken_entries
        on returns.entry_type = taken_entries.entry_type and returns.entry_key = taken_entries.entry_key
),

credited as (
    select
        invoice_id,
        invoice_line_id,
        sum(amount_minor) as credited_minor
    from (
        select * from taken_entries
        where entry_type = 'credit_note'
        union all
        select * from returned_entries
        where entry_type = 'credit_note_void'
    ) as credit_entries
    group by invoice_id, invoice_line_id
),

line_entries as (
    select
        'line' as entry_type,
        invoice_line_id as entry_key,
        cast(null as string) as reverses_key,
        invoice_id,
        invoice_line_id,
        net_minor as amount_minor,
        finalized_at as occurred_at
    from lines
    union all
    -- a void takes what its credit notes have left
    select
        'void' as entry_type,
        lines.invoice_id as entry_key,
        lines.invoice_line_id as reverses_key,
        lines.invoice_id,
        lines.invoice_line_id,
        -(lines.net_minor + coalesce(credited.credited_minor, 0)) as amount_minor,
        invoices.voided_at as occurred_at
    from lines
    inner join invoices
        on lines.invoice_id = invoices.invoice_id
    left join credited
        on lines.invoice_id = credited.invoice_id and lines.invoice_line_id = credited.invoice_line_id
    where invoices.voided_at is not null
),

invoice_entries as (
    select * from line_entries
    union all
    select * from taken_entries
    union all
    select * from returned_entries
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

-- Where a customer's invoice was paid by something that we don't know, a charge of his without an invoice may be just that:
-- nothing is counted twice.
unexplained_payers as (
    select
        invoices.customer_id,
        invoices.currency
    from invoices
    left join invoice_payments
        on invoices.invoice_id = invoice_payments.invoice_id
    where invoices.amount_paid_minor > 0 and invoice_payments.invoice_id is null
    group by invoices.customer_id, invoices.currency
),

-- a charge that paid no invoice: revenue of its own kind, without any word of tax
loose_charges as (
    select
        charges.charge_id,
        coalesce(charges.customer_id, 'unknown') as customer_id,
        charges.currency,
        coalesce(charges.amount_captured_minor, charges.amount_minor) as amount_minor,
        charges.created_at
    from charges
    left join invoice_payments
        on charges.charge_id = invoice_payments.charge_id
    left join unexplained_payers
        on charges.customer_id = unexplained_payers.customer_id and charges.currency = unexplained_payers.currency
    where
        charges.status = 'succeeded' and {{ var('charges_without_invoice_are_revenue') }}
        and invoice_payments.charge_id is null and unexplained_payers.customer_id is null
),

loose_amounts as (
    select
        'charge' as entry_type,
        charge_id as entry_key,
        cast(null as string) as reverses_key,
        charge_id,
        amount_minor,
        created_at as occurred_at
    from loose_charges
    union all
    select
        entry_type,
        entry_key,
        charge_id as reverses_key,
        charge_id,
        -size_minor as amount_minor,
        occurred_at
    from charge_levels
    union all
    select
        'dispute_reversal' as entry_type,
        dispute_id as entry_key,
        dispute_id as reverses_key,
        charge_id,
        amount_minor,
        closed_at as occurred_at
    from disputes
    where status = 'won'
),

loose_entries as (
    select
        loose_amounts.entry_type,
        loose_amounts.entry_key,
        loose_amounts.reverses_key,
        cast(null as string) as invoice_id,
        loose_charges.charge_id as invoice_line_id,
        loose_charges.customer_id,
        cast(null as string) as subscription_id,
        cast(null as string) as price_id,
        'one_time' as revenue_type,
        loose_charges.currency,
        cast(loose_amounts.amount_minor as bigint) as amount_minor,
        0 as discount_minor,
        0 as tax_minor,
        cast(null as decimal(38, 12)) as quantity,
        false as is_proration,
        loose_charges.created_at as period_start_at,
        loose_charges.created_at as period_end_at,
        loose_amounts.occurred_at
    from loose_amounts
    inner join loose_charges
        on loose_amounts.charge_id = loose_charges.charge_id
    where loose_amounts.amount_minor <> 0
),

final as (
    select * from described
    union all
    select * from loose_entries
)

select * from final
