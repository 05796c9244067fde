-- one row per balance transaction of the expected mode, its newest content (no event tells of them)
{% set columns = stripe_head('fields') ~ ',' ~ stripe_balance_transaction('fields') %}
{% set kept = [] %}
{{ config(
    materialized='incremental',
    incremental_strategy='append',
    post_hook=settle_newest(column_names(columns), kept),
) }}
with {{ typed_looks('balance_transaction', ref('stg_stripe__balance_transactions'), ref('int_stripe_events'), columns, kept) }},

final as (
    select * from looks
)

select * from final
