-- one row per day and currency: what one unit of it is worth in the reporting currency that day.
--
-- Rates are quoted as they come (one base buys `rate` quote); a currency is converted directly where a rate says so, else by
-- the inverse, else across one third currency. A day without a rate has no row: whoever needs it must fail, not guess. The
-- reporting currency itself is worth 1 on every day: a company of one currency needs no table of rates.

with

landed as (

    {{ newest_version(ref('stg_inputs__fx_rates'), 'rate_on, base, quote', ['extracted_at'], ['rate', 'rate_source']) }}

),

quotes as (

    select rate_on, base as from_currency, quote as to_currency, cast(rate as double) as rate, 1 as roundabout, rate_source from landed
    union all
    select rate_on, quote as from_currency, base as to_currency, 1 / cast(rate as double) as rate, 2 as roundabout, rate_source from landed
    where rate > 0

),

across as (

    select
        first_leg.rate_on,
        first_leg.from_currency,
        second_leg.to_currency,
        first_leg.rate * second_leg.rate as rate,
        2 + first_leg.roundabout + second_leg.roundabout as roundabout,
        first_leg.rate_source,
        first_leg.to_currency as via
    from quotes as first_leg
    inner join quotes as second_leg
        on
            first_leg.rate_on = second_leg.rate_on
            and first_leg.to_currency = second_leg.from_currency
    where
        second_leg.to_currency = '{{ var("reporting_currency") }}'
        and first_leg.from_currency != '{{ var("reporting_currency") }}'

),

own_days as (

    select rate_on from landed
    union
    select spine.day as rate_on from {{ date_spine("date '2000-01-01'", last_known_day()) }} as spine

),

choices as (

    select rate_on, from_currency, rate, roundabout, rate_source, '' as via from quotes
    where to_currency = '{{ var("reporting_currency") }}' and from_currency != '{{ var("reporting_currency") }}'
    union all
    select rate_on, from_currency, rate, roundabout, rate_source, via from across
    union all
    select rate_on, '{{ var("reporting_currency") }}' as from_currency, 1.0 as rate, 0 as roundabout, 'identity' as rate_source, '' as via
    from own_days

),

final as (

    select
        rate_on as date,
        from_currency as currency,
        cast({{ arg_min('rate', "(roundabout, via)") }} as decimal(28, 12)) as rate_to_reporting,
        {{ arg_min('rate_source', "(roundabout, via)") }} as rate_source
    from choices
    group by rate_on, from_currency

)

select * from final
order by date, currency
