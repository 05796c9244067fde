-- one row per balance transaction: what moved the account's balance, its fee, and the automatic payout that paid it out
with transactions as (
    select * from {{ ref('int_balance_transactions') }}
),

final as (
    select
        {{ md5_id(['balance_transaction_id']) }} as id,
        balance_transaction_id,
        source_id,
        payout_id,
        transaction_type,
        reporting_category,
        status,
        currency,
        cast(amount_minor as bigint) as amount_minor,
        cast(fee_minor as bigint) as fee_minor,
        cast(net_minor as bigint) as net_minor,
        created_at,
        available_at,
        {{ reporting_date('created_at') }} as date_partition
    from transactions
)

select * from final
