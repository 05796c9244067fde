-- Cash: every charge, refund, dispute and payout stands in the balance with its own amount (settled in another currency the amounts
-- can't be compared), and what names a transaction has it. The object is named.
with transactions as (
    select * from {{ ref('fact_balance_transactions') }}
),

-- what came before the first transaction that we know, or in the day before the last, may not have been read yet
known as (
    select
        min(created_at) as since,
        max(created_at) - interval '1' day as until
    from transactions
),

movements as (
    select
        'charge' as object_type,
        charge_id as object_id,
        balance_transaction_id,
        currency,
        coalesce(amount_captured_minor, amount_minor) as amount_minor,
        created_at
    from {{ ref('int_charges') }}
    where status = 'succeeded'
    union all
    select
        'refund' as object_type,
        refund_id as object_id,
        balance_transaction_id,
        currency,
        -amount_minor as amount_minor,
        created_at
    from {{ ref('int_refunds') }}
    where status = 'succeeded'
    union all
    select
        'payout' as object_type,
        payout_id as object_id,
        balance_transaction_id,
        currency,
        -amount_minor as amount_minor,
        created_at
    from {{ ref('int_payouts') }}
),

by_object as (
    select
        movements.object_type,
        movements.object_id,
        movements.currency,
        movements.amount_minor,
        transactions.amount_minor as balance_minor
    from movements
    cross join known
    left join transactions
        on movements.balance_transaction_id = transactions.balance_transaction_id
    where
        movements.balance_transaction_id is not null
        and case
            when transactions.balance_transaction_id is null then movements.created_at between known.since and known.until
            else movements.currency = transactions.currency and movements.amount_minor <> transactions.amount_minor
        end
),

-- what a dispute took and gave back
disputes as (
    select
        'dispute' as object_type,
        disputes.dispute_id as object_id,
        disputes.currency,
        -disputes.amount_minor as amount_minor,
        sum(transactions.amount_minor) as balance_minor
    from {{ ref('int_disputes') }} as disputes
    inner join transactions
        on disputes.dispute_id = transactions.source_id and disputes.currency = transactions.currency
    cross join known
    where coalesce(disputes.closed_at, disputes.created_at) < known.until
    group by disputes.dispute_id, disputes.currency, disputes.amount_minor, disputes.status
    having sum(transactions.amount_minor) <> case when disputes.status = 'won' then 0 else -disputes.amount_minor end
)

select * from by_object
union all
select * from disputes
