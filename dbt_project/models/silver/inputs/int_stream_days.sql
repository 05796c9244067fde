-- one row per source, stream and day (of the reporting time zone) on which something happened in it: how many rows.
--
-- Streams of things that merely exist (products, prices, flags) have no day of their own and are not here.

{% set happenings = [
    ('stripe', 'events', 'int_stripe_events', 'occurred_at'),
    ('stripe', 'invoices', 'int_invoices', 'created_at'),
    ('stripe', 'charges', 'int_charges', 'created_at'),
    ('stripe', 'refunds', 'int_refunds', 'created_at'),
    ('stripe', 'credit_notes', 'int_credit_notes', 'created_at'),
    ('stripe', 'disputes', 'int_disputes', 'created_at'),
    ('stripe', 'payouts', 'int_payouts', 'created_at'),
    ('stripe', 'balance_transactions', 'int_balance_transactions', 'created_at'),
    ('support', 'tickets', 'int_tickets', 'created_at'),
    ('support', 'ticket_comments', 'int_ticket_comments', 'created_at'),
    ('support', 'ticket_events', 'int_ticket_events', 'changed_at'),
    ('support', 'satisfaction_ratings', 'int_satisfaction_ratings', 'created_at'),
    ('product', 'accounts', 'int_accounts', 'created_at'),
    ('product', 'users', 'int_users', 'created_at'),
    ('product', 'logins', 'int_logins', 'logged_in_at'),
    ('product', 'experiment_exposures', 'int_experiment_exposures', 'exposed_at'),
    ('product', 'experiment_conversions', 'int_experiment_conversions', 'converted_at'),
    ('product', 'survey_answers', 'int_survey_answers', 'answered_at'),
] %}

with

stream_days as (

    -- the log's days are added up already: a day more costs nothing of the history
    select
        'usage' as source,
        'api_calls' as stream,
        date_partition as date_day,
        sum(calls) as row_count
    from {{ ref('int_customer_usage_daily') }}
    group by date_partition
    {% for source_name, stream, model, instant in happenings %}
    union all
    select
        '{{ source_name }}' as source,
        '{{ stream }}' as stream,
        {{ reporting_date(instant) }} as date_day,
        count(*) as row_count
    from {{ ref(model) }}
    where {{ instant }} is not null
    group by {{ reporting_date(instant) }}
    {% endfor %}
    union all
    select
        'inputs' as source,
        'ad_spend' as stream,
        spent_on as date_day,
        count(*) as row_count
    from {{ ref('int_ad_spend') }}
    group by spent_on
    union all
    select
        'inputs' as source,
        'fx_rates' as stream,
        date as date_day,
        count(*) as row_count
    from {{ ref('int_fx_rates') }}
    where not is_carried and currency != '{{ var("reporting_currency") }}'
    group by date

),

final as (

    select
        source,
        stream,
        date_day,
        cast(row_count as bigint) as row_count
    from stream_days
    -- emptied days of the log stay as rows without calls
    where row_count > 0

)

select * from final
