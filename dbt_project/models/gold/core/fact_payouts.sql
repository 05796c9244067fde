-- one row per payout: what went to the bank, and what the transactions that it paid out add up to
with payouts as (
    select * from {{ ref('int_payouts') }}
),

final as (
    select
        {{ md5_id(['payout_id']) }} as id,
        payout_id,
        balance_transaction_id,
        status,
        reconciliation_status,
        is_automatic,
        currency,
        cast(amount_minor as bigint) as amount_minor,
        transactions as transaction_count,
        cast(transactions_minor as bigint) as transactions_minor,
        -- only of an automatic payout that Stripe has reconciled is every transaction known
        cast(case
            when is_automatic and reconciliation_status = 'completed' then coalesce(transactions_minor, 0) - amount_minor
        end as bigint) as difference_minor,
        created_at,
        arrives_at,
        {{ reporting_date('created_at') }} as date_partition
    from payouts
)

select * from final
