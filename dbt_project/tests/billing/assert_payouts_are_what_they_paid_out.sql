-- an automatic payout that Stripe has reconciled is, to the minor unit, the sum of what it paid out; and its own transaction is its amount
select payout_id, 'transactions' as compared, amount_minor, transactions_minor as found_minor
from {{ ref('fact_payouts') }}
where difference_minor <> 0
union all
select
    payouts.payout_id,
    'own transaction' as compared,
    payouts.amount_minor,
    -transactions.net_minor as found_minor
from {{ ref('fact_payouts') }} as payouts
inner join {{ ref('fact_balance_transactions') }} as transactions
    on payouts.balance_transaction_id = transactions.balance_transaction_id
where transactions.amount_minor <> -payouts.amount_minor
