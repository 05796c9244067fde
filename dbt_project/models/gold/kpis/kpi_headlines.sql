-- one row per calendar week (Monday to Sunday) or month, and headline figure: its value, beside the periods before.
--
-- A state (such as MRR) is that of the period's last day; a sum is over its days; a ratio is of the period's own sums, a
-- percentile of its own histogram. Amounts are in the reporting currency at the rates of their day.
{%- set states = {
    'mrr': ('mrr_amount', 'money'), 'arr': ('arr_amount', 'money'), 'arpa': ('arpa_amount', 'money'),
    'customers_total': ('customers_total', 'count'), 'customers_paying': ('customers_paying', 'count'),
    'nrr_30d': ('nrr_30d', 'share'), 'grr_30d': ('grr_30d', 'share'), 'logo_churn_rate_30d': ('logo_churn_rate_30d', 'share'),
    'mau': ('mau', 'count'), 'tickets_open': ('tickets_open', 'count'), 'csat_28d': ('csat_28d', 'share'),
    'nps_28d': ('nps_28d', 'points'), 'health_score_mean': ('health_score_mean', 'points'),
    'customers_at_risk': ('customers_at_risk', 'count'), 'deferred_revenue': ('deferred_revenue_amount', 'money'),
} %}
{%- set sums = {
    'mrr_new': ('mrr_new_amount', 'money'), 'mrr_expansion': ('mrr_expansion_amount', 'money'),
    'mrr_contraction': ('mrr_contraction_amount', 'money'), 'mrr_churn': ('mrr_churn_amount', 'money'),
    'mrr_reactivation': ('mrr_reactivation_amount', 'money'), 'mrr_fx': ('mrr_fx_amount', 'money'),
    'customers_new': ('customers_new', 'count'), 'activated_customers': ('activated_customers', 'count'),
    'net_revenue': ('net_revenue_amount', 'money'), 'recognised_revenue': ('recognised_revenue_amount', 'money'),
    'marketing_spend': ('marketing_spend_amount', 'money'),
    'calls': ('calls', 'count'), 'compute_units': ('compute_units', 'count'),
    'tickets_created': ('tickets_created', 'count'), 'tickets_solved': ('tickets_solved', 'count'),
} %}

with

days as (

    select * from {{ ref('kpi_daily') }}

),

usage_days as (

    select * from {{ ref('agg_api_usage_daily') }}

),

tickets as (

    select * from {{ ref('fact_support_tickets') }}

),

usage_weeks as (

    select * from {{ ref('kpi_usage_weekly') }}

),

buckets as (

    select
        day,
        bucket,
        calls
    from ({{ histogram_rows(ref('agg_api_usage_daily'), ['date_partition as day']) }}) as histograms

),

{% for period in ['week', 'month'] %}
{{ period }}s as (

    select
        '{{ period }}' as period,
        cast(date_trunc('{{ period }}', day) as date) as period_start_on,
        max(day) as last_day,
        {% for name, (column, unit) in sums.items() %}
        sum({{ column }}) as {{ name }}{{ "," if not loop.last }}
        {% endfor %}
    from days
    group by cast(date_trunc('{{ period }}', day) as date)

),

{{ period }}_usage as (

    select
        cast(date_trunc('{{ period }}', date_partition) as date) as period_start_on,
        {{ simple_metrics(['calls', 'client_error_calls', 'server_error_calls']) }}
    from usage_days
    group by cast(date_trunc('{{ period }}', date_partition) as date)

),

{{ period }}_buckets as (

    select
        cast(date_trunc('{{ period }}', day) as date) as period_start_on,
        bucket,
        sum(calls) as calls
    from buckets
    group by cast(date_trunc('{{ period }}', day) as date), bucket

),

{{ period }}_running_buckets as (

    select
        period_start_on,
        bucket,
        sum(calls) over (partition by period_start_on order by bucket) as calls_up_to,
        sum(calls) over (partition by period_start_on) as all_calls
    from {{ period }}_buckets

),

{{ period }}_latencies as (

    select
        period_start_on,
        {{ percentile_of_buckets(0.95) }} as latency_p95_ms
    from {{ period }}_running_buckets
    group by period_start_on

),

{{ period }}_replies as (

    select
        cast(date_trunc('{{ period }}', date_partition) as date) as period_start_on,
        {{ percentile('first_reply_minutes', 0.5) }} as first_reply_minutes_median
    from tickets
    group by cast(date_trunc('{{ period }}', date_partition) as date)

),
{% endfor %}

periods as (

    {% for period in ['week', 'month'] %}
    select
        {{ period }}s.*,
        {{ period }}_usage.calls as usage_calls,
        {{ period }}_usage.client_error_calls,
        {{ period }}_usage.server_error_calls,
        {{ period }}_latencies.latency_p95_ms,
        {{ period }}_replies.first_reply_minutes_median,
        {{ "usage_weeks.weekly_active_producers" if period == 'week' else "null" }} as weekly_active_producers
    from {{ period }}s
    left join {{ period }}_usage
        on {{ period }}s.period_start_on = {{ period }}_usage.period_start_on
    left join {{ period }}_latencies
        on {{ period }}s.period_start_on = {{ period }}_latencies.period_start_on
    left join {{ period }}_replies
        on {{ period }}s.period_start_on = {{ period }}_replies.period_start_on
    {% if period == 'week' %}
    left join usage_weeks
        on weeks.period_start_on = usage_weeks.week_start_on
    {% endif %}
    {{ "union all" if not loop.last }}
    {% endfor %}

),

-- a period is over with its last day, and complete when that one is
last_days as (

    select
        periods.*,
        days.is_complete and case periods.period
            when 'week' then days.day = {{ add_days('periods.period_start_on', 6) }}
            else days.day = last_day(periods.period_start_on)
        end as is_complete,
        {% for name, (column, unit) in states.items() %}
        days.{{ column }} as state_{{ name }}{{ "," if not loop.last }}
        {% endfor %}
    from periods
    inner join days
        on periods.last_day = days.day

),

figures as (

    {% for name, (column, unit) in states.items() %}
    select
        period,
        period_start_on,
        is_complete,
        '{{ name }}' as metric,
        '{{ unit }}' as unit,
        cast(state_{{ name }} as decimal(28, 6)) as value
    from last_days
    union all
    {% endfor %}
    {% for name, (column, unit) in sums.items() %}
    select
        period,
        period_start_on,
        is_complete,
        '{{ name }}' as metric,
        '{{ unit }}' as unit,
        cast({{ name }} as decimal(28, 6)) as value
    from last_days
    union all
    {% endfor %}
    {% for name, (value, unit) in {
        'error_rate': (metric('error_rate', {'calls': 'usage_calls'}), 'share'),
        'latency_p95': ('latency_p95_ms', 'ms'),
        'first_reply_median': ('first_reply_minutes_median', 'minutes'),
        'weekly_active_producers': ('weekly_active_producers', 'count'),
    }.items() %}
    select
        period,
        period_start_on,
        is_complete,
        '{{ name }}' as metric,
        '{{ unit }}' as unit,
        cast({{ value }} as decimal(28, 6)) as value
    from last_days
    {{ "where period = 'week'" if name == 'weekly_active_producers' }}
    {{ "union all" if not loop.last }}
    {% endfor %}

),

compared as (

    select
        *,
        lag(value) over (partition by period, metric order by period_start_on) as value_before,
        count(value) over (partition by period, metric order by period_start_on rows between 4 preceding and 1 preceding) as periods_before,
        avg(cast(value as double)) over (partition by period, metric order by period_start_on rows between 4 preceding and 1 preceding) as mean_before
    from figures

),

final as (

    select
        -- keys
        {{ md5_id(['period', 'period_start_on', 'metric']) }} as id,
        period,
        period_start_on,
        metric,

        -- attributes
        unit,
        is_complete,

        -- measures
        value,
        value_before,
        value - value_before as change,
        cast({{ rate('value - value_before', 'value_before') }} as double) as change_rate,
        cast(case when periods_before = 4 then mean_before end as double) as mean_of_four_before
    from compared

)

select * from final
order by period, period_start_on, metric
