-- one row per day, currency and revenue type: what was invoiced, what was taken back, and the net
with revenue as (
    select * from {{ ref('fact_revenue') }}
),

final as (
    select
        {{ md5_id(['date_partition', 'currency', 'revenue_type']) }} as id,
        date_partition,
        currency,
        revenue_type,
        cast(sum(case when entry_type in ('line', 'charge') then amount_minor else 0 end) as bigint) as invoiced_minor,
        cast(sum(case when entry_type in ('void', 'credit_note', 'credit_note_void') then amount_minor else 0 end) as bigint)
            as credited_minor,
        cast(sum(case when entry_type in ('refund', 'dispute', 'dispute_reversal') then amount_minor else 0 end) as bigint)
            as returned_minor,
        cast(sum(case when entry_type in ('bad_debt', 'bad_debt_recovered') then amount_minor else 0 end) as bigint)
            as bad_debt_minor,
        cast(sum(amount_minor) as bigint) as net_revenue_minor,
        cast(sum(amount) as decimal(28, 6)) as net_revenue_amount,
        cast(sum(amount_reporting_minor) as decimal(28, 6)) as net_revenue_reporting_minor,
        cast(sum(discount_minor) as bigint) as discount_minor,
        cast(sum(tax_minor) as bigint) as tax_minor
    from revenue
    group by date_partition, currency, revenue_type
)

select * from final
