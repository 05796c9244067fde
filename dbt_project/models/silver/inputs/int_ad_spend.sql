-- one row per day, channel, campaign and currency of advertising spend.

with

landed as (

    {{ newest_version(
        ref('stg_inputs__ad_spend'), 'spent_on, channel, campaign, currency', ['extracted_at'], ['spend_minor', 'impressions', 'clicks']
    ) }}

),

final as (

    select
        spent_on,
        channel,
        coalesce(campaign, '(none)') as campaign,
        currency,
        spend_minor,
        impressions,
        clicks
    from landed

)

select * from final
