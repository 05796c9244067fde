-- one row per customer and day of feature_dates from its signup on: what was known of it when that day began.
--
-- Usage, logins and feature use are counted in whole days that were over. What changes later (open tickets) is read from the
-- day's own row.

with

dates as (

    select * from {{ ref('feature_dates') }}

),

customers as (

    select customer_id, signup_date from {{ ref('dim_customers') }}
    where customer_id != 'unknown'

),

versions as (

    select * from {{ ref('dim_customers_history') }}

),

usage_days as (

    select
        source_customer_id as customer_id,
        date_partition,
        calls,
        client_error_calls + server_error_calls as failed_calls,
        response_time_ms_sum
    from {{ ref('int_customer_usage_daily') }}
    where calls > 0

),

feature_days as (

    select customer_id, feature_name, date_partition from {{ ref('fact_feature_usage') }}

),

login_days as (

    select
        customer_id,
        {{ reporting_date('logged_in_at') }} as date_partition,
        count(*) as logins,
        sum(session_seconds) as session_seconds
    from {{ ref('int_logins') }}
    group by customer_id, {{ reporting_date('logged_in_at') }}

),

users as (

    select * from {{ ref('int_users') }}

),

answers as (

    select * from {{ ref('int_survey_answers') }}

),

tickets as (

    select * from {{ ref('fact_support_tickets') }}

),

ratings as (

    select ratings.score, ratings.updated_at, tickets.customer_id
    from {{ ref('int_satisfaction_ratings') }} as ratings
    inner join tickets
        on ratings.ticket_id = tickets.ticket_id

),

health as (

    select customer_id, date_partition, support_tickets_open, payment_status from {{ ref('fact_customer_health') }}

),

movements as (

    select * from {{ ref('fact_mrr_movements') }}

),

subscription_events as (

    select * from {{ ref('fact_subscription_events') }}

),

billed_lines as (

    select * from {{ ref('fact_revenue') }}
    where entry_type = 'line' and revenue_type = 'subscription' and not is_proration

),

members as (

    select
        customers.customer_id,
        dates.as_of_date,
        dates.as_of,
        customers.signup_date,
        greatest(1, {{ days_between(reporting_date('customers.signup_date'), 'dates.as_of_date') }}) as days_here
    from customers
    inner join dates
        on customers.signup_date <= dates.as_of

),

{% set windows = [7, 30, 90, 180] %}
{# days after which what was done weighs half: the latest counts most, and no day drops out at once #}
{% set half_lives = [7, 14, 28, 60] %}
{% set day_ago = {} %}
{% for days in [7, 30, 60, 90, 180, 365] %}{% do day_ago.update({days: add_days('members.as_of_date', -days)}) %}{% endfor %}
usage_windows as (

    select
        members.customer_id,
        members.as_of_date,
        {{ sums_by_age('used.calls', 'used.date_partition', 'members.as_of_date', 'calls', windows, half_lives) }}
        count(*) filter (where used.date_partition >= {{ day_ago[30] }}) as active_days_30d,
        sum(used.failed_calls) filter (where used.date_partition >= {{ day_ago[7] }}) as failed_calls_7d,
        sum(used.failed_calls) filter (where used.date_partition >= {{ day_ago[30] }}) as failed_calls_30d,
        sum(used.response_time_ms_sum) filter (where used.date_partition >= {{ day_ago[30] }})
            as response_ms_30d,
        max(used.date_partition) as last_call_day
    from members
    inner join usage_days as used
        on members.customer_id = used.customer_id and used.date_partition < members.as_of_date
    group by members.customer_id, members.as_of_date

),

login_windows as (

    select
        members.customer_id,
        members.as_of_date,
        {{ sums_by_age('logins.logins', 'logins.date_partition', 'members.as_of_date', 'logins', windows, half_lives) }}
        count(*) filter (where logins.date_partition >= {{ day_ago[30] }}) as login_days_30d,
        sum(logins.session_seconds) filter (where logins.date_partition >= {{ day_ago[30] }})
            as session_seconds_30d,
        max(logins.date_partition) as last_login_day
    from members
    inner join login_days as logins
        on members.customer_id = logins.customer_id and logins.date_partition < members.as_of_date
    group by members.customer_id, members.as_of_date

),

user_counts as (

    select
        members.customer_id,
        members.as_of_date,
        count(*) as users
    from members
    inner join users
        on members.customer_id = users.customer_id and users.created_at <= members.as_of
    where coalesce(users.deleted_at > members.as_of, true)
    group by members.customer_id, members.as_of_date

),

feature_windows as (

    select
        members.customer_id,
        members.as_of_date,
        count(distinct case when features.date_partition >= {{ day_ago[30] }} then features.feature_name end)
            as features_30d,
        count(distinct features.feature_name) as features_90d
    from members
    inner join feature_days as features
        on
            members.customer_id = features.customer_id
            and features.date_partition < members.as_of_date
            and features.date_partition >= {{ day_ago[90] }}
    group by members.customer_id, members.as_of_date

),

known_features as (

    select
        dates.as_of_date,
        count(*) as known_features
    from dates
    inner join (select feature_name, min(date_partition) as first_day from feature_days group by feature_name) as first_days
        on first_days.first_day < dates.as_of_date
    group by dates.as_of_date

),

{# the last answer by then, and the mean of a year's #}
answer_windows as (

    select
        members.customer_id,
        members.as_of_date,
        {{ arg_max('answers.score', '(answers.answered_at, answers.answer_id)') }} filter (where answers.survey_kind = 'nps') as nps_last,
        avg(answers.score) filter (where answers.survey_kind = 'nps') as nps_mean_365d,
        avg(answers.score) filter (where answers.survey_kind = 'ces') as effort_score_365d
    from members
    inner join answers
        on
            members.customer_id = answers.customer_id
            and answers.answered_at <= members.as_of
            and {{ reporting_date('answers.answered_at') }} >= {{ day_ago[365] }}
    group by members.customer_id, members.as_of_date

),

{# a ticket's first solve never changes again; an unsolved one has waited until now #}
ticket_windows as (

    select
        members.customer_id,
        members.as_of_date,
        count(*) filter (where tickets.date_partition >= {{ day_ago[30] }}) as tickets_30d,
        count(*) filter (where tickets.date_partition >= {{ day_ago[90] }}) as tickets_90d,
        count(*) filter (
            where {{ seconds_between('tickets.created_at', 'least(coalesce(tickets.first_solved_at, members.as_of), members.as_of)') }} > 7 * 86400
        ) as slow_tickets_180d
    from members
    inner join tickets
        on
            members.customer_id = tickets.customer_id
            and tickets.created_at <= members.as_of
            and tickets.date_partition >= {{ day_ago[180] }}
    group by members.customer_id, members.as_of_date

),

rating_windows as (

    select
        members.customer_id,
        members.as_of_date,
        count(*) filter (where ratings.score like 'bad%') as bad_ratings_365d,
        count(*) filter (where ratings.score like 'good%') as good_ratings_365d
    from members
    inner join ratings
        on
            members.customer_id = ratings.customer_id
            and ratings.updated_at <= members.as_of
            and {{ reporting_date('ratings.updated_at') }} >= {{ day_ago[365] }}
    group by members.customer_id, members.as_of_date

),

mrr_windows as (

    select
        members.customer_id,
        members.as_of_date,
        sum(movements.amount_reporting_minor) as mrr_now,
        sum(movements.amount_reporting_minor) filter (where movements.occurred_at <= members.as_of - interval '30' day) as mrr_30d_ago,
        sum(movements.amount_reporting_minor) filter (where movements.occurred_at <= members.as_of - interval '90' day) as mrr_90d_ago,
        min(movements.occurred_at) as first_mrr_at,
        max(movements.occurred_at) filter (where movements.movement_type in ('new', 'reactivation')) as paying_since,
        count(*) filter (
            where movements.movement_type = 'contraction' and movements.occurred_at > members.as_of - interval '180' day
        ) as contractions_180d,
        count(*) filter (
            where movements.movement_type = 'expansion' and movements.occurred_at > members.as_of - interval '180' day
        ) as expansions_180d,
        count(*) filter (where movements.movement_type = 'churn') as churns_before
    from members
    inner join movements
        on members.customer_id = movements.customer_id and movements.occurred_at <= members.as_of
    group by members.customer_id, members.as_of_date

),

{# state of each subscription as its last event by then left it #}
subscriptions_then as (

    select
        members.customer_id,
        members.as_of_date,
        members.as_of,
        events.subscription_id,
        {{ arg_max('events.status', '(events.occurred_at, events.id)') }} as status,
        max(events.occurred_at) filter (where events.event_type = 'past_due') as past_due_at
    from members
    inner join subscription_events as events
        on members.customer_id = events.customer_id and events.occurred_at <= members.as_of
    group by members.customer_id, members.as_of_date, members.as_of, events.subscription_id

),

{# what each running subscription was billed for last: seats, and the period that was paid ahead #}
billed_then as (

    select
        subs.subscription_id,
        subs.as_of_date,
        max(billed.billing_period_end) as period_end,
        {{ arg_max('billed.quantity', '(billed.billing_period_end, billed.billing_period_start, billed.quantity)') }} as quantity,
        {{ arg_max(
            seconds_between('billed.billing_period_start', 'billed.billing_period_end'),
            '(billed.billing_period_end, billed.billing_period_start, billed.quantity)',
        ) }} as period_seconds
    from subscriptions_then as subs
    inner join billed_lines as billed
        on
            subs.subscription_id = billed.subscription_id
            and billed.processed_at <= subs.as_of
    where subs.status in ('active', 'past_due')
    group by subs.subscription_id, subs.as_of_date

),

payment_terms as (

    select
        subs.customer_id,
        subs.as_of_date,
        sum(billed_then.quantity) as seats,
        max(billed_then.period_seconds) / (86400 * 365e0 / 12) as billing_interval_months,
        min({{ seconds_between('subs.as_of', 'billed_then.period_end') }}) filter (
            where billed_then.period_end >= subs.as_of
        ) / 86400e0 as days_to_period_end,
        max(case when subs.status = 'past_due'
            then {{ seconds_between('subs.past_due_at', 'subs.as_of') }} / 86400e0 end) as days_past_due
    from subscriptions_then as subs
    left join billed_then
        on
            subs.subscription_id = billed_then.subscription_id
            and subs.as_of_date = billed_then.as_of_date
    where subs.status in ('active', 'past_due')
    group by subs.customer_id, subs.as_of_date

),

failure_windows as (

    select
        members.customer_id,
        members.as_of_date,
        count(*) as payment_failures_90d
    from members
    inner join subscription_events as events
        on
            members.customer_id = events.customer_id
            and events.occurred_at <= members.as_of
            and events.occurred_at > members.as_of - interval '90' day
    where events.event_type = 'past_due'
    group by members.customer_id, members.as_of_date

),

{# per 30 days; who came within a window is measured over the days it was there #}
rates as (

    select
        members.*,
        {% for days in windows %}
        30e0 * coalesce(usage_windows.calls_{{ days }}d, 0) / least({{ days }}, members.days_here) as call_rate_{{ days }}d,
        30e0 * coalesce(login_windows.logins_{{ days }}d, 0) / least({{ days }}, members.days_here) as login_rate_{{ days }}d,
        {% endfor %}
        30e0 * coalesce(usage_windows.calls_ever, 0) / members.days_here as call_rate_ever,
        30e0 * coalesce(login_windows.logins_ever, 0) / members.days_here as login_rate_ever,
        {% for days in half_lives %}
        {# divided by what one a day since the signup would weigh #}
        30e0 * (coalesce(usage_windows.calls_half_{{ days }}d, 0) + coalesce(login_windows.logins_half_{{ days }}d, 0))
        * (power(2e0, 1 / {{ days }}e0) - 1) / (1 - power(0.5, members.days_here / {{ days }}e0)) as use_rate_half_{{ days }}d,
        {% endfor %}
        coalesce(usage_windows.calls_30d, 0) + coalesce(login_windows.logins_30d, 0) as uses_30d,
        coalesce(usage_windows.calls_30d_before, 0) + coalesce(login_windows.logins_30d_before, 0) as uses_30d_before,
        greatest(coalesce(user_counts.users, 0), 1) as users,
        usage_windows.calls_7d,
        usage_windows.calls_30d,
        usage_windows.calls_30d_before,
        usage_windows.active_days_30d,
        usage_windows.failed_calls_7d,
        usage_windows.failed_calls_30d,
        usage_windows.response_ms_30d,
        usage_windows.last_call_day,
        login_windows.login_days_30d,
        login_windows.session_seconds_30d,
        login_windows.last_login_day
    from members
    {% for window in ['usage_windows', 'login_windows', 'user_counts'] %}
    left join {{ window }}
        on members.customer_id = {{ window }}.customer_id and members.as_of_date = {{ window }}.as_of_date
    {% endfor %}

),

{# what is added to both sides of a ratio keeps a handful of calls or logins from making a strong trend #}
described as (

    select
        rates.customer_id,
        rates.as_of_date,
        rates.as_of,
        {{ seconds_between('rates.signup_date', 'rates.as_of') }} / 86400e0 as days_since_signup,
        coalesce(versions.tier, 'unknown') as tier,
        coalesce(rates.calls_7d, 0) as calls_7d,
        coalesce(rates.calls_30d, 0) as calls_30d,
        rates.call_rate_180d as calls_usual_30d,
        ln((rates.call_rate_7d + 6) / (rates.call_rate_30d + 6)) as calls_trend_7d,
        ln((coalesce(rates.calls_30d, 0) + 3) / (coalesce(rates.calls_30d_before, 0) + 3e0)) as calls_trend_30d,
        ln((rates.call_rate_30d + 3) / (rates.call_rate_180d + 3)) as calls_against_usual,
        ln((rates.call_rate_90d + 3) / (rates.call_rate_ever + 3)) as calls_against_ever,
        rates.call_rate_30d / nullif(payment_terms.seats, 0) as calls_per_seat_30d,
        case when mrr_windows.mrr_now > 0 then ln((rates.call_rate_30d + 1) / (mrr_windows.mrr_now + 1000)) end as calls_per_mrr_30d,
        coalesce(rates.active_days_30d, 0) as active_days_30d,
        cast(rates.response_ms_30d as double) / nullif(rates.calls_30d, 0) as response_ms_30d,
        rates.failed_calls_7d / nullif(rates.calls_7d, 0) as error_rate_7d,
        rates.failed_calls_30d / nullif(rates.calls_30d, 0) as error_rate_30d,
        {{ days_between('rates.last_call_day', 'rates.as_of_date') }} as days_since_last_call,
        {{ days_between('rates.last_login_day', 'rates.as_of_date') }} as days_since_last_login,
        coalesce(rates.login_days_30d, 0) as login_days_30d,
        rates.login_rate_30d as logins_30d,
        rates.login_rate_90d as logins_usual_30d,
        rates.login_rate_30d / rates.users as logins_per_user_30d,
        rates.login_rate_90d / rates.users as logins_per_user_90d,
        rates.login_rate_ever / rates.users as logins_per_user_ever,
        ln((rates.login_rate_30d + 2) / (rates.login_rate_180d + 2)) as logins_against_usual,
        ln((rates.login_rate_90d + 2) / (rates.login_rate_ever + 2)) as logins_against_ever,
        {# calls and logins together: one of them alone is a handful for most customers #}
        {% for days in half_lives %}
        ln((rates.use_rate_half_{{ days }}d + 2) / (rates.call_rate_ever + rates.login_rate_ever + 2)) as use_{{ days }}d_against_ever,
        {% endfor %}
        ln((rates.uses_30d + 10e0) / (rates.uses_30d_before + 10)) as use_trend_30d,
        coalesce(rates.session_seconds_30d, 0) / 60e0 as session_minutes_30d,
        rates.users,
        (coalesce(rates.active_days_30d, 0) + coalesce(rates.login_days_30d, 0)) / (2e0 * least(30, rates.days_here)) as engagement_30d,
        coalesce(feature_windows.features_30d, 0) / nullif(cast(known_features.known_features as double), 0) as feature_adoption_30d,
        coalesce(feature_windows.features_90d, 0) as features_used_90d,
        coalesce(ticket_windows.tickets_30d, 0) as tickets_30d,
        coalesce(ticket_windows.tickets_90d, 0) as tickets_90d,
        coalesce(health.support_tickets_open, 0) as tickets_open,
        coalesce(ticket_windows.slow_tickets_180d, 0) as slow_tickets_180d,
        answer_windows.nps_last,
        answer_windows.nps_mean_365d,
        answer_windows.effort_score_365d,
        coalesce(rating_windows.bad_ratings_365d, 0) as bad_ratings_365d,
        coalesce(rating_windows.good_ratings_365d, 0) as good_ratings_365d,
        coalesce(mrr_windows.mrr_now, 0) as mrr_reporting,
        cast(mrr_windows.mrr_now as double) / nullif(mrr_windows.mrr_30d_ago, 0) - 1 as mrr_change_30d,
        cast(mrr_windows.mrr_now as double) / nullif(mrr_windows.mrr_90d_ago, 0) - 1 as mrr_change_90d,
        {{ seconds_between('mrr_windows.first_mrr_at', 'rates.as_of') }} / 86400e0 as days_since_first_mrr,
        {{ seconds_between('mrr_windows.paying_since', 'rates.as_of') }} / 86400e0 as days_paying,
        coalesce(mrr_windows.contractions_180d, 0) as contractions_180d,
        coalesce(mrr_windows.expansions_180d, 0) as expansions_180d,
        case when mrr_windows.churns_before > 0 then 1 else 0 end as was_lost_before,
        payment_terms.seats,
        payment_terms.billing_interval_months,
        payment_terms.days_to_period_end,
        case when payment_terms.days_to_period_end <= 30 then 1 when payment_terms.days_to_period_end > 30 then 0 end
            as is_renewal_due_30d,
        case when payment_terms.billing_interval_months > 6 and payment_terms.days_to_period_end <= 30 then 1 else 0 end
            as is_long_term_due_30d,
        case when payment_terms.days_past_due is not null then 1 else 0 end as is_past_due,
        coalesce(payment_terms.days_past_due, 0) as days_past_due,
        coalesce(failure_windows.payment_failures_90d, 0) as payment_failures_90d
    from rates
    left join versions
        on
            rates.customer_id = versions.customer_id
            and versions.valid_from <= rates.as_of
            and (versions.valid_to is null or versions.valid_to > rates.as_of)
    left join health
        on rates.customer_id = health.customer_id and health.date_partition = {{ add_days('rates.as_of_date', -1) }}
    left join known_features
        on rates.as_of_date = known_features.as_of_date
    {% for window in ['feature_windows', 'answer_windows', 'ticket_windows', 'rating_windows', 'mrr_windows', 'payment_terms', 'failure_windows'] %}
    left join {{ window }}
        on rates.customer_id = {{ window }}.customer_id and rates.as_of_date = {{ window }}.as_of_date
    {% endfor %}

),

{% set numbers = [
    'days_since_signup', 'calls_7d', 'calls_30d', 'calls_usual_30d', 'calls_trend_7d', 'calls_trend_30d',
    'calls_against_usual', 'calls_against_ever', 'calls_per_seat_30d', 'calls_per_mrr_30d', 'active_days_30d', 'response_ms_30d',
    'error_rate_7d', 'error_rate_30d', 'days_since_last_call', 'days_since_last_login', 'login_days_30d',
    'logins_30d', 'logins_usual_30d', 'logins_per_user_30d', 'logins_per_user_90d', 'logins_per_user_ever', 'logins_against_usual',
    'logins_against_ever', 'use_7d_against_ever', 'use_14d_against_ever', 'use_28d_against_ever', 'use_60d_against_ever',
    'use_trend_30d', 'session_minutes_30d', 'users', 'engagement_30d', 'feature_adoption_30d', 'features_used_90d',
    'tickets_30d', 'tickets_90d', 'tickets_open', 'slow_tickets_180d', 'nps_last', 'nps_mean_365d', 'effort_score_365d',
    'bad_ratings_365d', 'good_ratings_365d', 'mrr_reporting', 'mrr_change_30d', 'mrr_change_90d', 'days_since_first_mrr',
    'days_paying', 'contractions_180d', 'expansions_180d', 'was_lost_before', 'seats', 'billing_interval_months',
    'days_to_period_end', 'is_renewal_due_30d', 'is_long_term_due_30d', 'is_past_due', 'days_past_due', 'payment_failures_90d',
] %}
final as (

    select
        {{ md5_id(['customer_id', 'as_of_date']) }} as id,
        customer_id,
        as_of_date,
        as_of,
        tier,
        {% for number in numbers %}
        {# rounded, so that sums taken in another order are the same #}
        cast({{ rounded(number, 6) }} as double) as {{ number }}{{ "," if not loop.last }}
        {% endfor %}
    from described

)

select * from final
