-- one row per line of an invoice, drafts included, as Stripe wrote it
{{ config(
    materialized='incremental',
    incremental_strategy='replace_rows',
    unique_key='invoice_id',
    post_hook=delete_rows('line_number is null'),
) }}
{% set columns = stripe_invoice_line('fields') %}
with invoices as (
    select
        object_id as invoice_id,
        load_id,
        -- an event's snapshot stops at ten lines; the list record has them all
        case when has_more_lines then coalesce(record_lines_json, lines_json) else lines_json end as lines_json
    from {{ ref('int_stripe_invoices') }}
    {%- if is_incremental() %}
    where load_id > {{ loaded_through() }}
    {%- endif %}
),

elements as (
    {{ each_element('invoices', ['invoice_id', 'load_id'], 'lines_json') }}
),

opened as (
    select
        *,
        {{ opened('element', columns) }}
    from elements
),

lines as (
    select
        invoice_id,
        position as line_number,
        load_id,
        {{- columns }}
    from opened
),

final as (
    select
        *,
        amount_minor - discount_minor - inclusive_tax_minor as net_minor
    from lines
    {%- if is_incremental() %}
    -- a draft that has lost its lines: named, so that they go
    union all
    select
        invoice_id,
        null as line_number,
        load_id,
        {%- for name in column_names(columns) %}
        null as {{ name }},
        {%- endfor %}
        null as net_minor
    from invoices
    {%- endif %}
)

select * from final
