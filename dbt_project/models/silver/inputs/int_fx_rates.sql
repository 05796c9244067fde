-- one row per day and currency: what one unit of it is worth in the reporting currency that day.
--
-- Rates are quoted as they come (one base buys `rate` quote); a currency is converted directly where a rate says so, else by
-- the inverse, else across one third currency. Where a day has no rate the newest one before it stands in for at most
-- `fx_grace_days` (weekends, a file that is a day late) and says so; after them there is no row: whoever needs it must fail, not
-- guess. The reporting currency itself is worth 1 on every day: a company of one currency needs no table of rates.

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

quoted as (

    select
        rate_on as date,
        from_currency as currency,
        cast({{ arg_min('rate', "(roundabout, via)") }} as decimal(28, 12)) as rate_to_reporting,
        {{ arg_min('rate_source', "(roundabout, via)") }} as rate_source
    from choices
    group by rate_on, from_currency

),

followed as (

    select
        *,
        lead(date) over (partition by currency order by date) as next_date
    from quoted

),

days_after as (

    {%- for days in range(1 + var('fx_grace_days')) %}
    select {{ days }} as days{{ " union all" if not loop.last }}
    {%- endfor %}

),

final as (

    select
        {{ add_days('followed.date', 'days_after.days') }} as date,
        followed.currency,
        followed.rate_to_reporting,
        followed.rate_source,
        days_after.days > 0 as is_carried,
        followed.date as quoted_on
    from followed
    inner join days_after
        on
            days_after.days = 0
            or (
                followed.currency != '{{ var("reporting_currency") }}'
                and {{ add_days('followed.date', 'days_after.days') }} < coalesce(followed.next_date, date '9999-12-31')
                and {{ add_days('followed.date', 'days_after.days') }} <= {{ last_known_day() }}
            )

)

select * from final
order by date, currency
