-- one row per month, dimension (plan, industry, tier, country, currency) and value: recurring revenue, retention and net revenue
{{ config(computed_once=['retained']) }}
{%- set dimensions = ['plan', 'industry', 'tier', 'country', 'currency'] %}
{%- set moves = ['new', 'expansion', 'contraction', 'churn', 'reactivation', 'fx'] %}
{%- set states = [
    'opening_mrr', 'new_mrr', 'expansion_mrr', 'contraction_mrr', 'churn_mrr', 'reactivation_mrr', 'fx_mrr', 'mrr', 'list_mrr',
    'opening_customers', 'new_customers', 'churned_customers', 'reactivated_customers', 'paying_customers',
] %}
{%- set kept = [
    'interval_start_customers', 'interval_lost_customers', 'interval_start_mrr', 'interval_end_mrr', 'interval_kept_mrr',
] %}
{%- set intervals = {1: '', 3: '_3m', 6: '_6m', 12: '_12m'} %}
with customers as (
    select * from {{ ref('dim_customer_months') }}
),

-- money has its own currency; all else is what the customer was in the month
customer_months as (
    select
        customer_months.*,
        customers.plan,
        customers.industry,
        customers.tier,
        customers.country
    from {{ ref('fact_customer_months') }} as customer_months
    inner join customers
        on customer_months.customer_id = customers.customer_id and customer_months.month = customers.month
),

revenue as (
    select
        revenue.*,
        {{ month_of('revenue.date_partition') }} as month,
        customers.plan,
        customers.industry,
        customers.tier,
        customers.country
    from {{ ref('fact_revenue') }} as revenue
    inner join customers
        on revenue.customer_id = customers.customer_id and customers.month = {{ month_of('revenue.date_partition') }}
),

-- over an interval, what the customer was at its start
retention as (
    select
        retention.*,
        retention.start_currency as currency,
        customers.plan,
        customers.industry,
        customers.tier,
        customers.country
    from {{ ref('fact_customer_retention') }} as retention
    inner join customers
        on retention.customer_id = customers.customer_id and retention.start_month = customers.month
),

bridges as (
    {%- for dimension in dimensions %}
    select
        month,
        '{{ dimension }}' as dimension,
        {{ dimension }} as value,
        {{ simple_metrics(states) }}
    from customer_months
    group by month, {{ dimension }}
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
),

revenues as (
    {%- for dimension in dimensions %}
    select
        month,
        '{{ dimension }}' as dimension,
        {{ dimension }} as value,
        {{ simple_metrics(['net_revenue']) }}
    from revenue
    group by month, {{ dimension }}
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
),

retained as (
    {%- for dimension in dimensions %}
    select
        month,
        '{{ dimension }}' as dimension,
        {{ dimension }} as value,
        interval_months,
        {{ simple_metrics(kept) }}
    from retention
    group by month, {{ dimension }}, interval_months
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
),

keys as (
    select
        month,
        dimension,
        value
    from bridges
    union
    select
        month,
        dimension,
        value
    from revenues
    union
    select
        month,
        dimension,
        value
    from retained
),

put_together as (
    select
        keys.month,
        keys.dimension,
        keys.value,
        {%- for name in states %}
        coalesce(bridges.{{ name }}, 0) as {{ name }},
        {%- endfor %}
        coalesce(revenues.net_revenue, 0) as net_revenue
        {%- for suffix in intervals.values() %}
        {%- for name in kept %},
        coalesce(retained{{ suffix }}.{{ name }}, 0) as {{ name }}{{ suffix }}
        {%- endfor %}
        {%- endfor %}
    from keys
    left join bridges
        on keys.month = bridges.month and keys.dimension = bridges.dimension and keys.value = bridges.value
    left join revenues
        on keys.month = revenues.month and keys.dimension = revenues.dimension and keys.value = revenues.value
    {%- for length, suffix in intervals.items() %}
    left join retained as retained{{ suffix }}
        on
            keys.month = retained{{ suffix }}.month
            and keys.dimension = retained{{ suffix }}.dimension
            and keys.value = retained{{ suffix }}.value
            and retained{{ suffix }}.interval_months = {{ length }}
    {%- endfor %}
),

final as (
    {%- set row = ['dimension', 'value'] %}
    select
        {{ md5_id(['month', 'dimension', 'value']) }} as id,
        month as month_start_on,
        dimension,
        value,
        {{ day_start(next_month('month')) }} <= {{ as_of() }} as is_complete,
        cast(opening_mrr as decimal(28, 6)) as opening_mrr_reporting_minor,
        {%- for move in moves %}
        cast({{ move }}_mrr as decimal(28, 6)) as {{ move }}_reporting_minor,
        {%- endfor %}
        cast(mrr as decimal(28, 6)) as mrr_reporting_minor,
        cast(list_mrr as decimal(28, 6)) as list_mrr_reporting_minor,
        cast({{ metric('arr') }} as decimal(28, 6)) as arr_reporting_minor,
        cast(opening_customers as bigint) as opening_customers,
        cast(new_customers as bigint) as new_customers,
        cast(churned_customers as bigint) as churned_customers,
        cast(reactivated_customers as bigint) as reactivated_customers,
        cast(paying_customers as bigint) as paying_customers,
        cast(net_revenue as decimal(28, 6)) as revenue_reporting_minor,
        cast({{ metric('arpa') }} as double) as arpa_minor,
        cast({{ metric('arpu') }} as double) as arpu_minor,
        cast({{ metric('mean_logo_churn_6m', partition=row) }} as double) as mean_logo_churn_6m,
        cast({{ metric('ltv', {'gross_margin': var('gross_margin') | string}, partition=row) }} as double) as ltv_minor,
        cast({{ metric('quick_ratio') }} as double) as quick_ratio,
        cast({{ metric('quick_ratio_with_reactivation') }} as double) as quick_ratio_with_reactivation
        {%- for suffix in intervals.values() %}
        {%- set inputs = {} %}
        {%- for name in kept %}{% do inputs.update({name: name ~ suffix}) %}{% endfor %},
        cast(interval_start_customers{{ suffix }} as bigint) as start_customers{{ suffix }},
        cast(interval_lost_customers{{ suffix }} as bigint) as lost_customers{{ suffix }},
        cast(interval_start_mrr{{ suffix }} as decimal(28, 6)) as start_mrr_reporting_minor{{ suffix }},
        cast(interval_end_mrr{{ suffix }} as decimal(28, 6)) as end_mrr_reporting_minor{{ suffix }},
        cast(interval_kept_mrr{{ suffix }} as decimal(28, 6)) as kept_mrr_reporting_minor{{ suffix }}
        {%- for name in ['logo_churn', 'nrr', 'grr', 'gross_mrr_churn', 'net_mrr_churn'] %},
        cast({{ metric(name, inputs) }} as double) as {{ name }}{{ suffix }}
        {%- endfor %}
        {%- endfor %}
    from put_together
)

select * from final
