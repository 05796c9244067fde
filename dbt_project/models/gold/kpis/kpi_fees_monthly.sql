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
        sum(case when reporting_category = 'charge' then amount_minor else 0 end) as charged_minor,
        sum(case when reporting_category in ('refund', 'refund_failure') then amount_minor else 0 end) as refunded_minor,
        sum(case when reporting_category in ('dispute', 'dispute_reversal') then amount_minor else 0 end) as disputed_minor,
        sum(case when reporting_category = 'charge' then fee_minor else 0 end) as processing_fees_minor,
        sum(case when reporting_category in ('dispute', 'dispute_reversal') then fee_minor else 0 end) as dispute_fees_minor,
        -- fees that come as transactions of their own, and all that hangs on other ones
        sum(case
            when reporting_category = 'fee' then -net_minor
            when reporting_category in ('charge', 'dispute', 'dispute_reversal') then 0
            else fee_minor
        end) as other_fees_minor,
        sum(case when reporting_category in ('payout', 'payout_reversal') then -amount_minor else 0 end) as paid_out_minor,
        sum(net_minor) as net_minor
    from transactions
    group by {{ month_of('date_partition') }}, currency
),

totalled as (
    select
        *,
        processing_fees_minor + dispute_fees_minor + other_fees_minor as fees_minor
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
        cast(totalled.{{ measure }}_minor as bigint) as {{ measure }}_minor,
        {%- endfor %}
        {{ for_people('totalled.fees_minor', 'currencies.exponent') }} as fees_amount,
        {{ rate('totalled.fees_minor', 'totalled.charged_minor') }} as fee_rate
    from totalled
    left join currencies
        on totalled.currency = currencies.currency
)

select * from final
order by month_start_on, currency
