-- one row per invoice of the expected mode, drafts included: its newest content out of list records and event snapshots together
{% set columns = stripe_head('fields') ~ ',' ~ stripe_invoice('fields') %}
{% set kept = ['lines_json', 'payments_json', 'discounts_json'] %}
{{ config(
    materialized='incremental',
    incremental_strategy='append',
    wide_text=kept + ['record_lines_json', 'record_payments_json', 'record_discounts_json'],
    post_hook=settle_newest(column_names(columns), kept),
) }}
with {{ typed_looks('invoice', ref('stg_stripe__invoices'), ref('int_stripe_events'), columns, kept) }},

final as (
    select * from looks
)

select * from final
