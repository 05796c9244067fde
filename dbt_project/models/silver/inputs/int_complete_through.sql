-- one row per source and stream: up to when it is complete (NULL: nothing complete has arrived yet).
--
-- A table of rates was read whole, and still ends with its newest rate: where money of another currency is converted, it is complete
-- up to the end of that day. What stands on a carried rate lies after it.

with

landed as (

    select * from {{ ref('stg_landing__complete_through') }}

),

converted as (

    select currency from {{ ref('int_subscription_versions') }}
    where currency != '{{ var("reporting_currency") }}'
    union
    select currency from {{ ref('int_invoices') }}
    where currency != '{{ var("reporting_currency") }}'

),

newest_rates as (

    select max(fx_rates.quoted_on) as rate_on
    from {{ ref('int_fx_rates') }} as fx_rates
    inner join converted
        on fx_rates.currency = converted.currency

),

final as (

    select
        landed.source,
        landed.stream,
        {{ least_known(
            'max(landed.complete_through)',
            "max(case when landed.stream = 'fx_rates' then " ~ day_start(add_days('newest_rates.rate_on', 1)) ~ ' end)',
        ) }} as complete_through
    from landed
    cross join newest_rates
    group by landed.source, landed.stream

)

select * from final
