-- one row per balance transaction: what moved the account's balance, its fee, and the automatic payout that paid it out
{{ config(materialized='incremental', incremental_strategy='replace_rows', unique_key='id') }}
{% set content = [
    'source_id', 'payout_id', 'transaction_type', 'reporting_category', 'status', 'currency', 'amount_minor', 'fee_minor', 'net_minor',
    'created_at', 'available_at',
] %}
with transactions as (
    select transactions.*
    from {{ ref('int_balance_transactions') }} as transactions
    {%- if is_incremental() %}
    -- those that are new, or say something else: one becomes available, or is paid out
    left join {{ this }} as standing
        on
            transactions.balance_transaction_id = standing.balance_transaction_id
            {%- for column in content %}
            and transactions.{{ column }} is not distinct from standing.{{ column }}
            {%- endfor %}
    where standing.id is null
    {%- endif %}
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
