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
        cast({{ field('record', 'date') }} as date) as spent_on,
        {{ field('record', 'channel') }} as channel,
        {{ field('record', 'campaign') }} as campaign,
        upper({{ field('record', 'currency') }}) as currency,
        {{ whole_number(field('record', 'spend_minor')) }} as spend_minor,
        {{ whole_number(field('record', 'impressions')) }} as impressions,
        {{ whole_number(field('record', 'clicks')) }} as clicks,
        _load_id as load_id,
        _extracted_at as extracted_at
    from landed

)

select * from final
