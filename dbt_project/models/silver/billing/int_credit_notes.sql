-- one row per credit note
{% set columns = stripe_head('fields') ~ ',' ~ stripe_credit_note('fields') %}
with objects as (
    select * from {{ ref('int_stripe_objects') }}
    where object_type = 'credit_note'
),

links as (
    select * from {{ ref('int_customer_links') }}
),

opened as (
    select
        record_json,
        {{ opened('raw_json', columns) }}
    from objects
),

credit_notes as (
    select
        record_json,
        {{- columns }}
    from opened
),

final as (
    select
        credit_notes.object_id as credit_note_id,
        credit_notes.invoice_id,
        coalesce(links.customer_id, credit_notes.stripe_customer_id) as customer_id,
        credit_notes.status,
        credit_notes.credit_note_type,
        credit_notes.currency,
        credit_notes.total_minor,
        credit_notes.total_excluding_tax_minor,
        credit_notes.pre_payment_minor,
        credit_notes.post_payment_minor,
        credit_notes.created_at,
        case when credit_notes.status = 'void' then credit_notes.voided_at end as voided_at,
        case
            when credit_notes.has_more_lines and credit_notes.record_json is not null
                then {{ json_below('credit_notes.record_json', 'lines.data') }}
            else credit_notes.lines_json
        end as lines_json,
        credit_notes.refunds_json,
        credit_notes.refund_id
    from credit_notes
    left join links
        on credit_notes.stripe_customer_id = links.stripe_customer_id
)

select * from final
