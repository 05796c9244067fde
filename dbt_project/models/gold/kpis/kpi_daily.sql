-- one row per day, from the first customer's signup (or first MRR, where that came before) to the last day that is over: the
-- master table.
--
-- Amounts are in the reporting currency at the rates of their day. Figures named _30d and _28d look back that many days,
-- this one included; a rate without anything to divide by, and a survey without enough answers, is NULL.

with

customers as (

    select * from {{ ref('dim_customers') }}
    where customer_source != 'unknown'

),

mrr_steps as (

    select * from {{ ref('int_customer_mrr_steps') }}
    where mrr_minor > 0

),

rates as (

    select * from {{ ref('int_fx_rates') }}

),

currencies as (

    select * from {{ ref('currencies') }}

),

reporting as (

    select exponent from currencies
    where currency = '{{ var("reporting_currency") }}'

),

answers as (

    select
        survey_kind,
        score,
        {{ reporting_date('answered_at') }} as answered_on
    from {{ ref('int_survey_answers') }}

),

ratings as (

    select
        satisfaction,
        date_partition as created_on
    from {{ ref('fact_support_tickets') }}
    where satisfaction is not null

),

first_days as (

    select min({{ reporting_date('signup_date') }}) as first_day from customers
    union all
    select min({{ reporting_date('valid_from') }}) as first_day from mrr_steps

),

days as (

    select
        spine.day,
        {{ day_start(add_days('spine.day', 1)) }} as ends_at
    from {{ date_spine('(select min(first_day) from first_days)', last_day()) }} as spine

),

sources as (

    select min(complete_through) as complete_through from {{ ref('complete_through') }}
    where stream != 'mrr_movements'

),

-- customers
signups as (

    select
        {{ reporting_date('signup_date') }} as day,
        count(*) as customers_new
    from customers
    group by {{ reporting_date('signup_date') }}

),

departures as (

    select
        {{ reporting_date('deleted_at') }} as day,
        count(*) as customers_deleted
    from customers
    where deleted_at is not null
    group by {{ reporting_date('deleted_at') }}

),

activations as (

    select
        {{ reporting_date('activated_at') }} as day,
        count(*) as activated_customers
    from customers
    where activated_at is not null
    group by {{ reporting_date('activated_at') }}

),

-- whose {{ var('activation_days') }} days to activate ended within the 28 days
onboardings as (

    select
        days.day,
        count(*) as customers,
        count(*) filter (
            where {{ seconds_between('customers.signup_date', 'customers.activated_at') }} <= {{ var('activation_days') }} * 86400
        ) as onboarded_customers
    from days
    inner join customers
        on
            customers.customer_source = 'product'
            and {{ add_days(reporting_date('customers.signup_date'), var('activation_days')) }}
            between {{ add_days('days.day', -27) }} and days.day
    group by days.day

),

-- recurring revenue
mrr_days as (

    select
        days.day,
        mrr_steps.customer_id,
        mrr_steps.currency,
        mrr_steps.mrr_minor
    from days
    inner join mrr_steps
        on
            mrr_steps.valid_from < days.ends_at
            and days.ends_at <= coalesce(mrr_steps.valid_to, cast('9999-12-31' as timestamp))

),

-- MRR now and 30 days ago, both at today's rates: a currency's own way is neither growth nor loss
mrr_pairs as (

    select
        day,
        customer_id,
        currency,
        cast(0 as decimal(28, 6)) as start_minor,
        mrr_minor as end_minor
    from mrr_days
    union all
    select
        {{ add_days('day', 30) }} as day,
        customer_id,
        currency,
        mrr_minor as start_minor,
        cast(0 as decimal(28, 6)) as end_minor
    from mrr_days
    where {{ add_days('day', 30) }} <= {{ last_day() }}

),

mrr_customers as (

    select
        mrr_pairs.day,
        mrr_pairs.customer_id,
        {% for side in ['start', 'end'] %}
        sum(
            case when mrr_pairs.{{ side }}_minor = 0 then 0 else
                {{ to_reporting(
                    'mrr_pairs.' ~ side ~ '_minor', rate_or_error('rates.rate_to_reporting', 'mrr_pairs.currency', 'mrr_pairs.day'),
                    'currencies.exponent', 'reporting.exponent',
                ) }}
            end
        ) as {{ side }}_minor{{ "," if not loop.last }}
        {% endfor %}
    from mrr_pairs
    cross join reporting
    left join currencies
        on mrr_pairs.currency = currencies.currency
    left join rates
        on
            mrr_pairs.day = rates.date
            and mrr_pairs.currency = rates.currency
    group by mrr_pairs.day, mrr_pairs.customer_id

),

mrr_by_day as (

    select
        day,
        count(*) filter (where end_minor > 0) as customers_paying,
        sum(end_minor) as mrr_minor,
        count(*) filter (where start_minor > 0) as start_customers,
        count(*) filter (where start_minor > 0 and end_minor = 0) as lost_customers,
        sum(start_minor) as start_minor,
        sum(end_minor) filter (where start_minor > 0) as kept_and_grown_minor,
        sum(least(start_minor, end_minor)) as kept_minor
    from mrr_customers
    group by day

),

movements as (

    select
        date_partition as day,
        {% for type in ['new', 'expansion', 'contraction', 'churn', 'reactivation'] %}
        sum(abs(amount_reporting_minor)) filter (where movement_type = '{{ type }}') as {{ type }}_minor,
        {% endfor %}
        sum(amount_reporting_minor) as movements_minor
    from {{ ref('fact_mrr_movements') }}
    group by date_partition

),

revenue as (

    select
        date_partition as day,
        sum(net_revenue_reporting_minor) as net_revenue_minor
    from {{ ref('kpi_revenue_daily') }}
    group by date_partition

),

recognised as (

    select
        date_partition as day,
        sum(recognised_reporting_minor) as recognised_minor,
        sum(deferred_reporting_minor) as deferred_minor
    from {{ ref('fact_revenue_recognised_daily') }}
    group by date_partition

),

spend as (

    select
        date_partition as day,
        sum(spend_reporting_minor) as spend_minor
    from {{ ref('fact_marketing_spend') }}
    group by date_partition

),

-- experience
csat as (

    select
        days.day,
        count(*) as ratings,
        count(*) filter (where ratings.satisfaction = 'good') as good_ratings
    from days
    inner join ratings
        on ratings.created_on between {{ add_days('days.day', -27) }} and days.day
    group by days.day

),

surveys as (

    select
        days.day,
        count(*) filter (where answers.survey_kind = 'nps') as nps_answers,
        count(*) filter (where answers.survey_kind = 'nps' and answers.score >= 9) as promoters,
        count(*) filter (where answers.survey_kind = 'nps' and answers.score <= 6) as detractors,
        count(*) filter (where answers.survey_kind = 'ces') as ces_answers,
        sum(answers.score) filter (where answers.survey_kind = 'ces') as ces_points
    from days
    inner join answers
        on answers.answered_on between {{ add_days('days.day', -27) }} and days.day
    group by days.day

),

health as (

    select
        day,
        sum(customers * health_score_mean) / sum(customers) filter (where health_score_mean is not null) as health_score_mean,
        sum(customers) filter (where health_band in ('At Risk', 'Critical')) as customers_at_risk
    from {{ ref('kpi_health_daily') }}
    group by day

),

final as (

    select
        -- keys
        {{ md5_id(['days.day']) }} as id,
        days.day,

        -- attributes
        coalesce(days.ends_at <= sources.complete_through, false) as is_complete,

        -- customers
        cast(sum(coalesce(signups.customers_new, 0) - coalesce(departures.customers_deleted, 0)) over (order by days.day) as bigint) as customers_total,
        cast(coalesce(signups.customers_new, 0) as bigint) as customers_new,
        cast(coalesce(activations.activated_customers, 0) as bigint) as activated_customers,
        cast({{ metric('onboarding_completion_rate', {
            'onboarded_customers': 'onboardings.onboarded_customers', 'signups': 'onboardings.customers',
        }) }} as double) as onboarding_completion_rate_28d,
        cast(coalesce(mrr_by_day.customers_paying, 0) as bigint) as customers_paying,

        -- revenue
        coalesce({{ for_people('mrr_by_day.mrr_minor', 'reporting.exponent') }}, 0) as mrr_amount,
        -- of the amount that stands beside it: ARR = 12 × MRR to the last digit
        cast({{ metric('arr', {
            'mrr': 'coalesce(' ~ for_people('mrr_by_day.mrr_minor', 'reporting.exponent') ~ ', 0)',
        }) }} as decimal(28, 6)) as arr_amount,
        cast({{ metric('arpa', {
            'mrr': for_people('mrr_by_day.mrr_minor', 'reporting.exponent'), 'paying_customers': 'mrr_by_day.customers_paying',
        }) }} as double) as arpa_amount,
        {% for type in ['new', 'expansion', 'contraction', 'churn', 'reactivation'] %}
        coalesce({{ for_people('movements.' ~ type ~ '_minor', 'reporting.exponent') }}, 0) as mrr_{{ type }}_amount,
        {% endfor %}
        {{ for_people(
            'coalesce(mrr_by_day.mrr_minor, 0) - lag(coalesce(mrr_by_day.mrr_minor, 0), 1, 0) over (order by days.day) - coalesce(movements.movements_minor, 0)',
            'reporting.exponent',
        ) }} as mrr_fx_amount,
        -- the same ratios as over months, on an interval of 30 days
        {%- set interval_of_30_days = {
            'interval_start_customers': 'mrr_by_day.start_customers', 'interval_lost_customers': 'mrr_by_day.lost_customers',
            'interval_start_mrr': 'mrr_by_day.start_minor', 'interval_end_mrr': 'coalesce(mrr_by_day.kept_and_grown_minor, 0)',
            'interval_kept_mrr': 'mrr_by_day.kept_minor',
        } %}
        cast({{ metric('logo_churn', interval_of_30_days) }} as double) as logo_churn_rate_30d,
        cast({{ metric('nrr', interval_of_30_days) }} as double) as nrr_30d,
        cast({{ metric('grr', interval_of_30_days) }} as double) as grr_30d,
        coalesce({{ for_people('revenue.net_revenue_minor', 'reporting.exponent') }}, 0) as net_revenue_amount,
        coalesce({{ for_people('recognised.recognised_minor', 'reporting.exponent') }}, 0) as recognised_revenue_amount,
        coalesce({{ for_people('recognised.deferred_minor', 'reporting.exponent') }}, 0) as deferred_revenue_amount,
        coalesce({{ for_people('spend.spend_minor', 'reporting.exponent') }}, 0) as marketing_spend_amount,

        -- usage
        coalesce(usage_days.calls, 0) as calls,
        usage_days.error_rate,
        coalesce(usage_days.compute_units, 0) as compute_units,
        usage_days.latency_p50_ms,
        usage_days.latency_p95_ms,
        usage_days.latency_p99_ms,
        coalesce(usage_days.daily_active_customers, 0) as dau,
        coalesce(usage_days.weekly_active_customers, 0) as wau,
        coalesce(usage_days.monthly_active_customers, 0) as mau,
        usage_days.stickiness,
        weeks.weekly_active_producers,

        -- support and experience
        coalesce(support_days.tickets_created, 0) as tickets_created,
        coalesce(support_days.tickets_solved, 0) as tickets_solved,
        coalesce(support_days.tickets_open, 0) as tickets_open,
        support_days.first_reply_minutes_median,
        support_days.resolution_minutes_median,
        cast({{ metric('csat', {'good_ratings': 'csat.good_ratings', 'ratings': 'csat.ratings'}) }} as double) as csat_28d,
        cast({{ metric('nps', {
            'promoters': 'surveys.promoters', 'detractors': 'surveys.detractors', 'nps_answers': 'surveys.nps_answers',
        }) }} as double) as nps_28d,
        cast({{ metric('ces', {'ces_points': 'surveys.ces_points', 'ces_answers': 'surveys.ces_answers'}) }} as double) as ces_28d,
        cast(health.health_score_mean as double) as health_score_mean,
        cast(coalesce(health.customers_at_risk, 0) as bigint) as customers_at_risk
    from days
    cross join reporting
    cross join sources
    left join signups
        on days.day = signups.day
    left join departures
        on days.day = departures.day
    left join activations
        on days.day = activations.day
    left join onboardings
        on days.day = onboardings.day
    left join mrr_by_day
        on days.day = mrr_by_day.day
    left join movements
        on days.day = movements.day
    left join revenue
        on days.day = revenue.day
    left join recognised
        on days.day = recognised.day
    left join spend
        on days.day = spend.day
    left join {{ ref('kpi_usage_daily') }} as usage_days
        on days.day = usage_days.day
    -- the newest week that was over by then
    left join {{ ref('kpi_usage_weekly') }} as weeks
        on {{ add_days("cast(date_trunc('week', " ~ add_days('days.day', 1) ~ ") as date)", -7) }} = weeks.week_start_on
    left join {{ ref('kpi_support_daily') }} as support_days
        on days.day = support_days.day
    left join csat
        on days.day = csat.day
    left join surveys
        on days.day = surveys.day
    left join health
        on days.day = health.day

)

select * from final
order by day
