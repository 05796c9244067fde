-- one row per Stripe event of the expected mode about a kind of object that the warehouse knows
{% set unwanted %}
not ({{ of_our_mode() }}) or event_id is null or coalesce(object_type, '') not in (
    'subscription', 'customer', 'discount', 'product', 'price', 'coupon', 'promotion_code', 'tax_rate', 'invoice',
    'invoiceitem', 'charge', 'refund', 'credit_note', 'dispute', 'payout', 'balance_transaction'
)
{% endset %}
{{ config(
    materialized='incremental',
    incremental_strategy='append',
    post_hook=settle_copies(
        'event_id', ['event_type', 'subject_id', 'object_json', 'previous_json', 'occurred_at'], unwanted
    ),
) }}
with events as (
    select * from {{ ref('stg_stripe__events') }}
    {%- if is_incremental() %}
    where load_id > {{ loaded_through() }}
    {%- endif %}
),

final as (
    select
        object_id as event_id,
        event_type,
        object_type,
        subject_id,
        object_json,
        previous_json,
        created_at as occurred_at,
        livemode,
        load_id
    from events
)

select * from final
