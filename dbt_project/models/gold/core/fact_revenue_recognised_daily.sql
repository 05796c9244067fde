-- one row per day, currency and revenue type, from the first revenue to the last known day: booked, recognised, deferred and unbilled
{% set days_so_far %}(
            partition by calendar.currency, calendar.revenue_type
            order by calendar.day rows between unbounded preceding and current row
        ){% endset %}
with revenue as (
    select * from {{ ref('fact_revenue') }}
    where amount_minor <> 0
),

fx_rates as (
    select * from {{ ref('int_fx_rates') }}
),

currencies as (
    select * from {{ ref('currencies') }}
),

-- Entries that are recognised alike are counted, not walked through one by one: a price list is short.
alike as (
    select
        currency,
        revenue_type,
        amount_minor,
        service_start_on,
        service_end_on,
        recognised_from_on,
        -- the day until which an entry is earned, and not invoiced
        case when recognised_from_on < date_partition then date_partition end as unbilled_until_on,
        count(*) as entries
    from revenue
    where recognised_from_on <= {{ last_known_day() }}
    group by currency, revenue_type, amount_minor, service_start_on, service_end_on, recognised_from_on, unbilled_until_on
),

service_days as (
    {{ each_number(
        'alike', 'day_number', '0', days_between('recognised_from_on', 'least(' ~ recognised_to_on('alike') ~ ', ' ~ last_known_day() ~ ')')
    ) }}
),

dated as (
    select
        *,
        {{ add_days('recognised_from_on', 'day_number') }} as day
    from service_days
),

-- what each day adds
day_amounts as (
    select
        *,
        entries * (
            {{ recognised_by('dated', 'day') }}
            - {{ recognised_by('dated', add_days('day', -1)) }}
        ) as recognised_minor
    from dated
),

changes as (
    select
        day,
        currency,
        revenue_type,
        0 as booked_minor,
        recognised_minor,
        -- a credit that is earned before it is invoiced is owed: it stands with what is deferred, never with what is unbilled
        case when day < unbilled_until_on and amount_minor > 0 then recognised_minor else 0 end as unbilled_minor
    from day_amounts
    union all
    select
        date_partition as day,
        currency,
        revenue_type,
        amount_minor as booked_minor,
        0 as recognised_minor,
        0 as unbilled_minor
    from revenue
    union all
    select
        unbilled_until_on as day,
        currency,
        revenue_type,
        0 as booked_minor,
        0 as recognised_minor,
        -entries * ({{ recognised_by('alike', add_days('unbilled_until_on', -1)) }}) as unbilled_minor
    from alike
    where unbilled_until_on is not null and amount_minor > 0
),

sums as (
    select
        day,
        currency,
        revenue_type,
        sum(booked_minor) as booked_minor,
        sum(recognised_minor) as recognised_minor,
        sum(unbilled_minor) as unbilled_minor
    from changes
    group by day, currency, revenue_type
),

beginnings as (
    select
        currency,
        revenue_type,
        min(day) as first_day
    from sums
    group by currency, revenue_type
),

calendar as (
    select
        spine.day,
        beginnings.currency,
        beginnings.revenue_type
    from {{ date_spine('(select min(first_day) from beginnings)', last_known_day()) }} as spine
    inner join beginnings
        on spine.day >= beginnings.first_day
),

balances as (
    select
        calendar.day,
        calendar.currency,
        calendar.revenue_type,
        coalesce(sums.booked_minor, 0) as booked_minor,
        coalesce(sums.recognised_minor, 0) as recognised_minor,
        sum(coalesce(sums.booked_minor, 0) - coalesce(sums.recognised_minor, 0)) over {{ days_so_far }} as balance_minor,
        sum(coalesce(sums.unbilled_minor, 0)) over {{ days_so_far }} as unbilled_minor,
        -- the running day goes by the last day that is over
        least(calendar.day, {{ last_day() }}) as rate_on
    from calendar
    left join sums
        on
            calendar.day = sums.day
            and calendar.currency = sums.currency
            and calendar.revenue_type = sums.revenue_type
),

rated as (
    select
        balances.*,
        balances.balance_minor + balances.unbilled_minor as deferred_minor,
        currencies.exponent,
        reporting.exponent as reporting_exponent,
        -- a rate is needed where there is something to convert
        case
            when balances.recognised_minor = 0 and balances.balance_minor = 0 and balances.unbilled_minor = 0 then 1
            else {{ rate_or_error('fx_rates.rate_to_reporting', 'balances.currency', 'balances.rate_on') }}
        end as rate_to_reporting
    from balances
    left join fx_rates
        on balances.currency = fx_rates.currency and balances.rate_on = fx_rates.date
    left join currencies
        on balances.currency = currencies.currency
    left join currencies as reporting
        on reporting.currency = '{{ var("reporting_currency") }}'
),

final as (
    select
        {{ md5_id(['day', 'currency', 'revenue_type']) }} as id,
        day as date_partition,
        currency,
        revenue_type,
        {%- for measure in ['booked', 'recognised', 'deferred', 'unbilled'] %}
        cast({{ measure }}_minor as bigint) as {{ measure }}_minor,
        {%- endfor %}
        {%- for measure in ['recognised', 'deferred', 'unbilled'] %}
        {{ to_reporting(measure ~ '_minor', 'rate_to_reporting', 'exponent', 'reporting_exponent') }} as {{ measure }}_reporting_minor
        {{- "," if not loop.last }}
        {%- endfor %}
    from rated
)

select * from final
order by date_partition, currency, revenue_type
