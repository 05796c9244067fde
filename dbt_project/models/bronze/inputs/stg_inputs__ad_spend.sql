-- one row per landed line of advertising spend.

with

landed as (

    select
        {{ json_fields('_raw', ['date', 'channel', 'campaign', 'currency', 'spend_minor', 'impressions', 'clicks']) }} as record,
        _load_id,
        _extracted_at
    from {{ source('raw_inputs', 'ad_spend') }}

),

final as (

    select
        cast(record.{{ adapter.quote('date') }} as date) as spent_on,
        record.channel as channel,
        record.campaign as campaign,
        upper(record.currency) as currency,
        {{ whole_number('record.spend_minor') }} as spend_minor,
        {{ whole_number('record.impressions') }} as impressions,
        {{ whole_number('record.clicks') }} as clicks,
        _load_id as load_id,
        _extracted_at as extracted_at
    from landed

)

select * from final
