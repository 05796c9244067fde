-- one row per payment of an invoice, open ones included, as Stripe wrote it; none where Stripe was not asked for payments
{{ config(
    materialized='incremental',
    incremental_strategy='replace_rows',
    unique_key='invoice_id',
    post_hook=delete_rows('payment_number is null'),
) }}
{% set columns = stripe_invoice_payment('fields') %}
with invoices as (
    select
        object_id as invoice_id,
        load_id,
        coalesce(payments_json, record_payments_json) as payments_json
    from {{ ref('int_stripe_invoices') }}
    {%- if is_incremental() %}
    where load_id > {{ loaded_through() }}
    {%- endif %}
),

elements as (
    {{ each_element('invoices', ['invoice_id', 'load_id'], 'payments_json') }}
),

opened as (
    select
        *,
        {{ opened('element', columns) }}
    from elements
),

final as (
    select
        invoice_id,
        position as payment_number,
        load_id,
        {{- columns }}
    from opened
    {%- if is_incremental() %}
    -- one that has lost its payments: named, so that they go
    union all
    select
        invoice_id,
        null as payment_number,
        load_id,
        {%- for name in column_names(columns) %}
        null as {{ name }}{{ "," if not loop.last }}
        {%- endfor %}
    from invoices
    {%- endif %}
)

select * from final
