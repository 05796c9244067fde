-- one row per day, channel, campaign and currency of marketing spend.

with

spend as (

    select * from {{ ref('int_ad_spend') }}

),

rates as (

    select * from {{ ref('int_fx_rates') }}

),

currencies as (

    select * from {{ ref('currencies') }}

),

final as (

    select
        {{ md5_id(['spend.spent_on', 'spend.channel', 'spend.campaign', 'spend.currency']) }} as id,
        spend.spent_on as date_partition,
        spend.channel,
        spend.campaign,
        spend.currency,
        spend.spend_minor,
        {{ for_people('spend.spend_minor', 'currencies.exponent') }} as spend_amount,
        {{ to_reporting(
            'spend.spend_minor', rate_or_error('rates.rate_to_reporting', 'spend.currency', 'spend.spent_on'),
            'currencies.exponent', 'reporting.exponent',
        ) }} as spend_reporting_minor,
        spend.impressions,
        spend.clicks
    from spend
    left join currencies
        on spend.currency = currencies.currency
    left join currencies as reporting
        on reporting.currency = '{{ var("reporting_currency") }}'
    left join rates
        on
            spend.spent_on = rates.date
            and spend.currency = rates.currency

)

select * from final
