-- one row per customer and day, from its signup to its deletion or the last day that is over, with its health at that day's end.
--
-- METRICS.md §5: the weighted mean of those components that exist; each is linear between a floor (0) and a cap (100) of the
-- seed health_components. Every component is built for the day: nothing looks at a "latest" row.

with

customers as (

    select * from {{ ref('dim_customers') }}
    where customer_id != 'unknown'

),

usage_days as (

    select * from {{ ref('int_customer_usage_daily') }}

),

feature_days as (

    select customer_id, feature_name, date_partition from {{ ref('fact_feature_usage') }}
    where customer_id != 'unknown'

),

features as (

    select count(*) as features from {{ ref('dim_features') }}
    where is_listed

),

logins as (

    select * from {{ ref('int_logins') }}

),

tickets as (

    select ticket_id, customer_id from {{ ref('int_tickets') }}

),

ticket_statuses as (

    select * from {{ ref('int_ticket_status_history') }}

),

desk_customers as (

    select customer_id, min({{ reporting_date('created_at') }}) as since_day from {{ ref('int_organizations') }}
    where customer_id is not null
    group by customer_id

),

subscriptions as (

    select * from {{ ref('int_subscription_versions') }}

),

links as (

    select stripe_customer_id, customer_id from {{ ref('int_customer_links') }}

),

-- the seed as columns: one row
components as (

    select
        {% for component in ['usage_trend', 'feature_adoption', 'support_load', 'payment_status', 'recency'] %}
        max(case when component = '{{ component }}' then cast(weight as double) end) as {{ component }}_weight,
        max(case when component = '{{ component }}' then cast(floor as double) end) as {{ component }}_floor,
        max(case when component = '{{ component }}' then cast(cap as double) end) as {{ component }}_cap{{ "," if not loop.last }}
        {% endfor %}
    from {{ ref('health_components') }}

),

calendar as (

    select date_day from {{ ref('dim_date') }}
    where is_complete

),

lives as (

    select
        customer_id,
        {{ reporting_date('signup_date') }} as first_day,
        least({{ last_day() }}, coalesce({{ reporting_date('deleted_at') }}, {{ last_day() }})) as final_day
    from customers

),

customer_days as (

    select
        lives.customer_id,
        calendar.date_day
    from lives
    inner join calendar
        on calendar.date_day between lives.first_day and lives.final_day

),

-- calls before the signup day count on it, as does whatever else came early
calls_by_day as (

    select
        lives.customer_id,
        greatest(usage_days.date_partition, lives.first_day) as date_day,
        sum(usage_days.calls) as calls,
        max(usage_days.date_partition) as last_call_day
    from usage_days
    inner join lives
        on usage_days.source_customer_id = lives.customer_id
    group by lives.customer_id, greatest(usage_days.date_partition, lives.first_day)

),

logins_by_day as (

    select
        lives.customer_id,
        greatest({{ reporting_date('logins.logged_in_at') }}, lives.first_day) as date_day,
        max(logins.logged_in_at) as last_login_at
    from logins
    inner join lives
        on logins.customer_id = lives.customer_id
    group by lives.customer_id, greatest({{ reporting_date('logins.logged_in_at') }}, lives.first_day)

),

-- a feature counts from a use until 30 days after it: +1 where such a time begins, -1 where it ends
feature_uses as (

    select
        customer_id,
        feature_name,
        date_partition,
        lag(date_partition) over (partition by customer_id, feature_name order by date_partition) as previous_use,
        lead(date_partition) over (partition by customer_id, feature_name order by date_partition) as next_use
    from feature_days

),

feature_changes as (

    select customer_id, date_partition as date_day, 1 as change from feature_uses
    where previous_use is null or {{ add_days('previous_use', 30) }} <= date_partition
    union all
    select customer_id, {{ add_days('date_partition', 30) }} as date_day, -1 as change from feature_uses
    where next_use is null or {{ add_days('date_partition', 30) }} <= next_use

),

features_by_day as (

    select
        lives.customer_id,
        greatest(feature_changes.date_day, lives.first_day) as date_day,
        sum(feature_changes.change) as change
    from feature_changes
    inner join lives
        on feature_changes.customer_id = lives.customer_id
    group by lives.customer_id, greatest(feature_changes.date_day, lives.first_day)

),

ticket_changes as (

    select tickets.customer_id, {{ reporting_date('ticket_statuses.valid_from') }} as date_day, 1 as change
    from ticket_statuses
    inner join tickets
        on ticket_statuses.ticket_id = tickets.ticket_id
    where ticket_statuses.is_open
    union all
    select tickets.customer_id, {{ reporting_date('ticket_statuses.valid_to') }} as date_day, -1 as change
    from ticket_statuses
    inner join tickets
        on ticket_statuses.ticket_id = tickets.ticket_id
    where ticket_statuses.is_open and ticket_statuses.valid_to is not null

),

tickets_by_day as (

    select
        lives.customer_id,
        greatest(ticket_changes.date_day, lives.first_day) as date_day,
        sum(ticket_changes.change) as change
    from ticket_changes
    inner join lives
        on ticket_changes.customer_id = lives.customer_id
    group by lives.customer_id, greatest(ticket_changes.date_day, lives.first_day)

),

-- subscriptions that count, and since when each has been behind with its payments
subscription_states as (

    select
        links.customer_id,
        subscriptions.subscription_id,
        subscriptions.status,
        subscriptions.status in ('past_due', 'unpaid') as is_behind,
        subscriptions.valid_from,
        subscriptions.valid_to
    from subscriptions
    inner join links
        on subscriptions.stripe_customer_id = links.stripe_customer_id

),

subscription_runs as (

    select
        *,
        sum(case when was_behind is distinct from is_behind then 1 else 0 end)
            over (partition by subscription_id order by valid_from rows between unbounded preceding and current row) as run_number
    from (
        select
            *,
            lag(is_behind) over (partition by subscription_id order by valid_from) as was_behind
        from subscription_states
    ) as with_previous

),

payment_intervals as (

    select
        customer_id,
        case status when 'unpaid' then 4 when 'past_due' then 3 when 'paused' then 2 else 1 end as severity,
        {{ reporting_date('valid_from') }} as first_day,
        {{ reporting_date('valid_to') }} as day_after,
        case when is_behind then {{ reporting_date('min(valid_from) over (partition by subscription_id, run_number)') }} end as behind_since
    from subscription_runs
    where status in ('active', 'trialing', 'past_due', 'unpaid', 'paused')

),

payment_by_day as (

    select
        customer_days.customer_id,
        customer_days.date_day,
        max(payment_intervals.severity) as severity,
        min(payment_intervals.behind_since) as behind_since
    from customer_days
    inner join payment_intervals
        on
            customer_days.customer_id = payment_intervals.customer_id
            and customer_days.date_day >= payment_intervals.first_day
            and customer_days.date_day < payment_intervals.day_after
    group by customer_days.customer_id, customer_days.date_day

),

-- every customer has a row for every day, so that rows of a window are days
inputs as (

    select
        customer_days.customer_id,
        customer_days.date_day,
        payment_by_day.severity,
        {{ days_between('payment_by_day.behind_since', 'payment_by_day.date_day') }} as days_behind,
        coalesce(sum(calls_by_day.calls) over week, 0) as calls_7d,
        coalesce(sum(calls_by_day.calls) over days_30, 0) as calls_30d,
        max(calls_by_day.last_call_day) over life as last_call_day,
        max(logins_by_day.last_login_at) over life as last_login_at,
        coalesce(sum(features_by_day.change) over life, 0) as features_used,
        coalesce(sum(tickets_by_day.change) over life, 0) as tickets_open,
        desk_customers.customer_id is not null as is_at_desk
    from customer_days
    left join calls_by_day
        on customer_days.customer_id = calls_by_day.customer_id and customer_days.date_day = calls_by_day.date_day
    left join logins_by_day
        on customer_days.customer_id = logins_by_day.customer_id and customer_days.date_day = logins_by_day.date_day
    left join features_by_day
        on customer_days.customer_id = features_by_day.customer_id and customer_days.date_day = features_by_day.date_day
    left join tickets_by_day
        on customer_days.customer_id = tickets_by_day.customer_id and customer_days.date_day = tickets_by_day.date_day
    left join payment_by_day
        on customer_days.customer_id = payment_by_day.customer_id and customer_days.date_day = payment_by_day.date_day
    left join desk_customers
        on customer_days.customer_id = desk_customers.customer_id and customer_days.date_day >= desk_customers.since_day
    window
        life as (partition by customer_days.customer_id order by customer_days.date_day rows between unbounded preceding and current row),
        week as (partition by customer_days.customer_id order by customer_days.date_day rows between 6 preceding and current row),
        days_30 as (partition by customer_days.customer_id order by customer_days.date_day rows between 29 preceding and current row)

),

measures as (

    select
        inputs.*,
        -- who has never called has no trend; who has fallen silent has one of 0
        case
            when calls_30d > 0 then calls_7d / (cast(calls_30d as double) * 7 / 30)
            when last_call_day is not null then 0.0
        end as usage_trend,
        case when last_call_day is not null then features_used / nullif(cast(features.features as double), 0) end as feature_adoption,
        case when is_at_desk then cast(tickets_open as double) end as support_load,
        case when severity is not null then cast(coalesce(days_behind, 0) as double) end as payment_status,
        cast({{ days_between(greatest_known('last_call_day', reporting_date('last_login_at')), 'date_day') }} as double) as recency
    from inputs
    cross join features

),

scores as (

    select
        measures.*,
        {% for component in ['usage_trend', 'feature_adoption', 'support_load', 'payment_status', 'recency'] %}
        case
            when measures.{{ component }} is not null
                then least(greatest(
                    100.0 * (measures.{{ component }} - components.{{ component }}_floor)
                    / (components.{{ component }}_cap - components.{{ component }}_floor), 0.0
                ), 100.0)
        end as {{ component }}_score,
        components.{{ component }}_weight{{ "," if not loop.last }}
        {% endfor %}
    from measures
    cross join components

),

weighted as (

    select
        *,
        (
            {% for component in ['usage_trend', 'feature_adoption', 'support_load', 'payment_status', 'recency'] %}
            coalesce({{ component }}_score * {{ component }}_weight, 0){{ " +" if not loop.last }}
            {% endfor %}
        ) / nullif(
            {% for component in ['usage_trend', 'feature_adoption', 'support_load', 'payment_status', 'recency'] %}
            case when {{ component }}_score is null then 0 else {{ component }}_weight end{{ " +" if not loop.last }}
            {% endfor %}
        , 0) as exact_health_score
    from scores

),

rounded_days as (

    select
        *,
        {{ rounded('exact_health_score', 2) }} as health_score
    from weighted

),

final as (

    select
        {{ md5_id(['customer_id', 'date_day']) }} as id,
        customer_id,
        cast(health_score as decimal(5, 2)) as health_score,
        case
            when health_score >= 90 then 'Excellent'
            when health_score >= 70 then 'Good'
            when health_score >= 50 then 'At Risk'
            when health_score is not null then 'Critical'
        end as health_band,
        cast(calls_7d as bigint) as api_calls_last_7d,
        cast(calls_30d as bigint) as api_calls_last_30d,
        cast(features_used as bigint) as features_used_last_30d,
        last_call_day as last_call_on,
        last_login_at as last_login_date,
        cast(tickets_open as bigint) as support_tickets_open,
        case severity when 4 then 'unpaid' when 3 then 'past_due' when 2 then 'paused' when 1 then 'current' else 'none' end as payment_status,
        cast({{ rounded('usage_trend_score', 2) }} as decimal(5, 2)) as usage_trend_score,
        cast({{ rounded('feature_adoption_score', 2) }} as decimal(5, 2)) as feature_adoption_score,
        cast({{ rounded('support_load_score', 2) }} as decimal(5, 2)) as support_load_score,
        cast({{ rounded('payment_status_score', 2) }} as decimal(5, 2)) as payment_status_score,
        cast({{ rounded('recency_score', 2) }} as decimal(5, 2)) as recency_score,
        {{ day_start(add_days('date_day', 1)) }} as calculated_at,
        date_day as date_partition
    from rounded_days

)

select * from final
order by date_partition
