-- one row per Stripe event of the expected mode about a kind of object that the warehouse knows
{{ config(
    materialized='incremental',
    incremental_strategy='append',
    wide_text=['object_json', 'previous_json'],
    post_hook=settle_copies('event_id', ['event_type', 'subject_id', 'object_json', 'previous_json', 'occurred_at']),
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
        load_id
    from events
    where
        {{ of_our_mode() }}
        and object_id is not null
        and object_type in (
            'subscription', 'customer', 'discount', 'product', 'price', 'coupon', 'promotion_code', 'tax_rate', 'invoice',
            'invoiceitem', 'charge', 'refund', 'credit_note', 'dispute', 'payout', 'balance_transaction'
        )
)

select * from final
