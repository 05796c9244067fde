-- one row per month and settlement currency: what was charged, refunded and disputed, what Stripe took of it, and what was paid out
with transactions as (
    select * from {{ ref('fact_balance_transactions') }}
),

currencies as (
    select * from {{ ref('currencies') }}
),

months as (
    select
        {{ month_of('date_partition') }} as month,
        currency,
        {{ simple_metrics(['charged', 'processing_fees', 'dispute_fees', 'other_fees']) }},
        sum(case when reporting_category in ('refund', 'refund_failure') then amount_minor else 0 end) as refunded,
        sum(case when reporting_category in ('dispute', 'dispute_reversal') then amount_minor else 0 end) as disputed,
        sum(case when reporting_category in ('payout', 'payout_reversal') then -amount_minor else 0 end) as paid_out,
        sum(net_minor) as net
    from transactions
    group by {{ month_of('date_partition') }}, currency
),

totalled as (
    select
        *,
        {{ metric('fees') }} as fees,
        {{ metric('fee_rate') }} as fee_rate
    from months
),

final as (
    select
        {{ md5_id(['totalled.month', 'totalled.currency']) }} as id,
        totalled.month as month_start_on,
        {{ day_start(next_month('totalled.month')) }} <= {{ as_of() }} as is_complete,
        totalled.currency,
        {%- for measure in [
            'charged', 'refunded', 'disputed', 'processing_fees', 'dispute_fees', 'other_fees', 'fees', 'paid_out', 'net',
        ] %}
        cast(totalled.{{ measure }} as bigint) as {{ measure }}_minor,
        {%- endfor %}
        {{ for_people('totalled.fees', 'currencies.exponent') }} as fees_amount,
        cast(totalled.fee_rate as double) as fee_rate
    from totalled
    left join currencies
        on totalled.currency = currencies.currency
)

select * from final
order by month_start_on, currency
