-- one row per month and marketing channel with any spend, impression or click.

with

spend as (

    select
        *,
        cast(date_trunc('month', date_partition) as date) as month_start_on
    from {{ ref('fact_marketing_spend') }}

),

calendar as (

    select
        month_start_on,
        max(case when is_month_end and is_complete then 1 else 0 end) = 1 as is_complete
    from {{ ref('dim_date') }}
    group by month_start_on

),

reporting as (

    select exponent from {{ ref('currencies') }}
    where currency = '{{ var("reporting_currency") }}'

),

channel_months as (

    select
        month_start_on,
        channel,
        {{ simple_metrics(['marketing_spend']) }},
        sum(impressions) as impressions,
        sum(clicks) as clicks
    from spend
    group by month_start_on, channel

),

final as (

    select
        {{ md5_id(['channel_months.month_start_on', 'channel_months.channel']) }} as id,
        channel_months.month_start_on,
        channel_months.channel,
        calendar.is_complete,
        cast(channel_months.marketing_spend as decimal(28, 6)) as spend_reporting_minor,
        cast({{ for_people('channel_months.marketing_spend', 'reporting.exponent') }} as decimal(28, 6)) as spend_amount,
        cast(channel_months.impressions as bigint) as impressions,
        cast(channel_months.clicks as bigint) as clicks
    from channel_months
    cross join reporting
    inner join calendar
        on channel_months.month_start_on = calendar.month_start_on

)

select * from final
order by month_start_on, channel
