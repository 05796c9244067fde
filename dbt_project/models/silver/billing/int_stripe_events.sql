-- one row per Stripe event of the expected mode about a subscription, a customer or a discount, an invoice's write-off or failed payment, or a dispute's end
with events as (
    select * from {{ ref('stg_stripe__events') }}
),

ranked as (
    select
        *,
        row_number() over (partition by object_id order by md5(raw_json)) as copy_number
    from events
    where
        coalesce(livemode, {{ var('expected_livemode') }}) = {{ var('expected_livemode') }}
        and (
            object_type in ('subscription', 'customer', 'discount', 'price', 'coupon')
            or event_type in (
                'invoice.marked_uncollectible', 'invoice.payment_failed', 'charge.dispute.closed',
                'charge.dispute.funds_reinstated'
            )
        )
),

final as (
    select
        object_id as event_id,
        event_type,
        object_type,
        subject_id,
        object_json,
        previous_json,
        created_at as occurred_at
    from ranked
    where copy_number = 1
)

select * from final
