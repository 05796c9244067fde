-- one row per customer, month, currency and revenue type in which anything was booked, recognised, deferred or unbilled
{{ config(
    materialized='incremental',
    incremental_strategy='replace_changed',
    by_month=true,
    unique_key='customer_id',
    fingerprints='int_customer_month_fingerprints',
    post_hook=take_in('int_customer_month_fingerprints'),
) }}
-- depends_on: {{ ref('int_customer_month_fingerprints') }}
with
{%- if is_incremental() %}
changed as (
    {{ changed_keys('int_customer_month_fingerprints', 'customer_id') }}
),
{%- endif %}

revenue as (
    select
        *,
        {{ month_of('least(date_partition, recognised_from_on)') }} as first_month,
        {{ month_of('least(greatest(date_partition, ' ~ recognised_to_on('fact_revenue') ~ '), ' ~ last_known_day() ~ ')') }}
            as last_month
    from {{ ref('fact_revenue') }} as fact_revenue
    where amount_minor <> 0 and least(date_partition, recognised_from_on) <= {{ last_known_day() }}
),

-- a month's numbers need what was recognised by its end and by the end of the one before, nothing in between
entry_months as (
    {{ each_number('revenue', 'month_number', '0', months_between('first_month', 'last_month')) }}
),

dated as (
    select
        *,
        cast({{ add_months('first_month', 'month_number') }} as date) as month
    from entry_months
),

asked_for as (
    select dated.*
    from dated
    {%- if is_incremental() %}
    left join changed
        on dated.customer_id = changed.customer_id
    where dated.month >= {{ first_open_month() }} or changed.customer_id is not null
    {%- endif %}
),

ended as (
    select
        *,
        least({{ add_days(next_month('month'), -1) }}, {{ last_known_day() }}) as ends_on,
        {{ add_days('month', -1) }} as ended_before_on
    from asked_for
),

recognised as (
    select
        *,
        {{ recognised_by('ended', 'ends_on') }} as recognised_by_end_minor,
        {{ recognised_by('ended', 'ended_before_on') }} as recognised_before_minor
    from ended
),

sums as (
    select
        customer_id,
        month,
        currency,
        revenue_type,
        sum(case when date_partition between month and ends_on then amount_minor else 0 end) as booked_minor,
        sum(recognised_by_end_minor - recognised_before_minor) as recognised_minor,
        -- invoiced and not earned; a credit that is earned before it is invoiced is owed, and stands here too
        sum(case
            when date_partition <= ends_on then amount_minor - recognised_by_end_minor
            when amount_minor < 0 then -recognised_by_end_minor
            else 0
        end) as deferred_minor,
        sum(case when date_partition > ends_on and amount_minor > 0 then recognised_by_end_minor else 0 end) as unbilled_minor
    from recognised
    group by customer_id, month, currency, revenue_type
),

final as (
    select
        {{ md5_id(['customer_id', 'month', 'currency', 'revenue_type']) }} as id,
        customer_id,
        month,
        currency,
        revenue_type,
        {{ day_start(next_month('month')) }} <= {{ as_of() }} as is_complete,
        cast(booked_minor as bigint) as booked_minor,
        cast(recognised_minor as bigint) as recognised_minor,
        cast(deferred_minor as bigint) as deferred_minor,
        cast(unbilled_minor as bigint) as unbilled_minor
    from sums
    where booked_minor <> 0 or recognised_minor <> 0 or deferred_minor <> 0 or unbilled_minor <> 0
)

select * from final
order by month, customer_id
