-- one row per month and currency with a failed payment or an involuntary churn: what failed then, and what became of it
with dunning as (
    select * from {{ ref('fact_dunning') }}
),

movements as (
    select * from {{ ref('fact_mrr_movements') }}
    where movement_type = 'churn' and reason = 'involuntary'
),

outcomes as (
    select
        {{ month_of('date_partition') }} as month,
        currency,
        {{ simple_metrics([
            'failed_invoices', 'recovered_invoices', 'lost_invoices', 'open_invoices',
            'failed_payments', 'recovered_payments', 'lost_payments', 'open_payments', 'mean_days_to_recover',
        ]) }},
        {{ percentile('days_to_recover', 0.5) }} as median_days_to_recover
    from dunning
    group by {{ month_of('date_partition') }}, currency
),

failed as (
    select
        *,
        {{ metric('recovery_rate') }} as recovery_rate,
        {{ metric('recovered_amount_rate') }} as recovered_amount_rate
    from outcomes
),

churned as (
    select
        {{ month_of('date_partition') }} as month,
        currency,
        count(distinct customer_id) as involuntary_churned_customers,
        -sum(amount_minor) as involuntary_churn_minor
    from movements
    group by {{ month_of('date_partition') }}, currency
),

months as (
    select
        month,
        currency
    from failed
    union
    select
        month,
        currency
    from churned
),

final as (
    select
        {{ md5_id(['months.month', 'months.currency']) }} as id,
        months.month as month_start_on,
        {{ day_start(next_month('months.month')) }} <= {{ as_of() }} as is_complete,
        months.currency,
        {%- for measure in ['failed', 'recovered', 'lost', 'open'] %}
        cast(coalesce(failed.{{ measure }}_invoices, 0) as bigint) as {{ measure }}_invoices,
        cast(coalesce(failed.{{ measure }}_payments, 0) as bigint) as {{ measure }}_minor,
        {%- endfor %}
        cast(failed.recovery_rate as double) as recovery_rate,
        cast(failed.recovered_amount_rate as double) as recovered_amount_rate,
        cast(failed.mean_days_to_recover as double) as mean_days_to_recover,
        cast(failed.median_days_to_recover as double) as median_days_to_recover,
        cast(coalesce(churned.involuntary_churned_customers, 0) as bigint) as involuntary_churned_customers,
        cast(coalesce(churned.involuntary_churn_minor, 0) as decimal(28, 6)) as involuntary_churn_minor
    from months
    left join failed
        on months.month = failed.month and months.currency = failed.currency
    left join churned
        on months.month = churned.month and months.currency = churned.currency
)

select * from final
order by month_start_on, currency
