-- one row per landed line of the exchange rates: one unit of base buys rate units of quote.

with

landed as (

    select
        {{ json_fields('_raw', ['date', 'base', 'quote', 'rate', 'source']) }} as record,
        _load_id,
        _extracted_at
    from {{ source('raw_inputs', 'fx_rates') }}

),

final as (

    select
        cast({{ field('record', 'date') }} as date) as rate_on,
        upper({{ field('record', 'base') }}) as base,
        upper({{ field('record', 'quote') }}) as quote,
        cast({{ field('record', 'rate') }} as decimal(28, 12)) as rate,
        {{ field('record', 'source') }} as rate_source,
        _load_id as load_id,
        _extracted_at as extracted_at
    from landed

)

select * from final
