-- one row per charge of the expected mode, its newest content out of list records and event snapshots together
{% set columns = stripe_head('fields') ~ ',' ~ stripe_charge('fields') %}
{% set kept = [] %}
{{ config(
    materialized='incremental',
    incremental_strategy='append',
    post_hook=settle_newest(column_names(columns), kept),
) }}
with {{ typed_looks('charge', ref('stg_stripe__charges'), ref('int_stripe_events'), columns, kept) }},

final as (
    select * from looks
)

select * from final
