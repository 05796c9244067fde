-- one row per month, currency and revenue type: what was invoiced, what was taken back, and the net
with revenue_days as (
    select * from {{ ref('kpi_revenue_daily') }}
),

final as (
    select
        {{ md5_id([month_of('date_partition'), 'currency', 'revenue_type']) }} as id,
        {{ month_of('date_partition') }} as month_start_on,
        {{ day_start(next_month(month_of('date_partition'))) }} <= {{ as_of() }} as is_complete,
        currency,
        revenue_type,
        {%- for measure in ['invoiced', 'credited', 'returned', 'bad_debt', 'net_revenue'] %}
        cast(sum({{ measure }}_minor) as bigint) as {{ measure }}_minor,
        {%- endfor %}
        cast(sum(net_revenue_amount) as decimal(28, 6)) as net_revenue_amount,
        cast(sum(net_revenue_reporting_minor) as decimal(28, 6)) as net_revenue_reporting_minor,
        cast(sum(discount_minor) as bigint) as discount_minor,
        cast(sum(tax_minor) as bigint) as tax_minor
    from revenue_days
    group by {{ month_of('date_partition') }}, currency, revenue_type
)

select * from final
