-- one row per customer, currency and month in which the customer had MRR or a movement: opening, closing, movements, category
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

steps as (
    select * from {{ ref('int_customer_mrr_steps') }}
),

movements as (
    select * from {{ ref('fact_mrr_movements') }}
),

fx_rates as (
    select * from {{ ref('int_fx_rates') }}
),

currencies as (
    select * from {{ ref('currencies') }}
),

bounds as (
    select {{ month_of('min(' ~ reporting_date('valid_from') ~ ')') }} as first_month from steps
),

calendar as (
    select
        months.month,
        {{ next_month('months.month') }} as next_month,
        {{ day_start('months.month') }} as starts_at,
        least({{ day_start(next_month('months.month')) }}, {{ as_of() }}) as ends_at,
        {{ day_start(next_month('months.month')) }} <= {{ as_of() }} as is_complete,
        -- rates of the month's last day; the running month goes by the last day that is over
        least({{ add_days(next_month('months.month'), -1) }}, {{ last_day() }}) as rate_on,
        {{ add_days('months.month', -1) }} as opening_rate_on
    from {{ month_spine("(select first_month from bounds)", month_of(last_known_day())) }} as months
),

pairs as (
    select
        steps.customer_id,
        steps.currency,
        {%- if is_incremental() %}
        max(case when changed.customer_id is null then 0 else 1 end) as is_changed,
        {%- endif %}
        min(steps.valid_from) as first_at
    from steps
    {%- if is_incremental() %}
    left join changed
        on steps.customer_id = changed.customer_id
    {%- endif %}
    group by steps.customer_id, steps.currency
),

-- the first change ever of a customer is its joining
joinings as (
    select
        customer_id,
        min(date_partition) as joined_on
    from movements
    group by customer_id
),

movement_sums as (
    select
        customer_id,
        currency,
        {{ month_of('date_partition') }} as month,
        {%- for type in ['new', 'expansion', 'contraction', 'churn', 'reactivation'] %}
        sum(case when movement_type = '{{ type }}' then amount_minor else 0 end) as {{ type }}_minor,
        sum(case when movement_type = '{{ type }}' then amount_reporting_minor else 0 end) as {{ type }}_reporting_minor,
        {%- endfor %}
        count(*) as movement_count
    from movements
    group by customer_id, currency, {{ month_of('date_partition') }}
),

stood as (
    select
        pairs.customer_id,
        pairs.currency,
        calendar.month,
        calendar.is_complete,
        calendar.rate_on,
        calendar.opening_rate_on,
        coalesce(opening.mrr_minor, 0) as opening_mrr_minor,
        coalesce(closing.mrr_minor, 0) as closing_mrr_minor,
        coalesce(closing.list_mrr_minor, 0) as closing_list_mrr_minor
    from pairs
    inner join calendar
        on
            calendar.ends_at > pairs.first_at
            {%- if is_incremental() %}
            and (calendar.month >= {{ first_open_month() }} or pairs.is_changed = 1)
            {%- endif %}
    left join steps as opening
        on
            pairs.customer_id = opening.customer_id
            and pairs.currency = opening.currency
            and opening.valid_from < calendar.starts_at and opening.valid_to >= calendar.starts_at
    left join steps as closing
        on
            pairs.customer_id = closing.customer_id
            and pairs.currency = closing.currency
            and closing.valid_from < calendar.ends_at and closing.valid_to >= calendar.ends_at
),

valued as (
    select
        stood.*,
        {%- for type in ['new', 'expansion', 'contraction', 'churn', 'reactivation'] %}
        movement_sums.{{ type }}_minor,
        movement_sums.{{ type }}_reporting_minor,
        {%- endfor %}
        opening_rates.rate_to_reporting as opening_rate,
        closing_rates.rate_to_reporting as closing_rate,
        currencies.exponent,
        reporting.exponent as reporting_exponent
    from stood
    left join movement_sums
        on
            stood.customer_id = movement_sums.customer_id
            and stood.currency = movement_sums.currency
            and stood.month = movement_sums.month
    left join fx_rates as opening_rates
        on stood.currency = opening_rates.currency and stood.opening_rate_on = opening_rates.date
    left join fx_rates as closing_rates
        on stood.currency = closing_rates.currency and stood.rate_on = closing_rates.date
    left join currencies
        on stood.currency = currencies.currency
    left join currencies as reporting
        on reporting.currency = '{{ var("reporting_currency") }}'
    where
        stood.opening_mrr_minor <> 0 or stood.closing_mrr_minor <> 0 or stood.closing_list_mrr_minor <> 0
        or movement_sums.movement_count > 0
),

reported as (
    select
        *,
        case
            when opening_mrr_minor = 0 then cast(0 as decimal(28, 6))
            else {{ to_reporting(
                'opening_mrr_minor', rate_or_error('opening_rate', 'currency', 'opening_rate_on'), 'exponent', 'reporting_exponent',
            ) }}
        end as opening_mrr_reporting_minor,
        case
            when closing_mrr_minor = 0 then cast(0 as decimal(28, 6))
            else {{ to_reporting(
                'closing_mrr_minor', rate_or_error('closing_rate', 'currency', 'rate_on'), 'exponent', 'reporting_exponent',
            ) }}
        end as closing_mrr_reporting_minor,
        case
            when closing_list_mrr_minor = 0 then cast(0 as decimal(28, 6))
            else {{ to_reporting(
                'closing_list_mrr_minor', rate_or_error('closing_rate', 'currency', 'rate_on'), 'exponent', 'reporting_exponent',
            ) }}
        end as closing_list_mrr_reporting_minor,
        -- the change at one day's rates: what a currency did meanwhile is no movement
        case
            when opening_mrr_minor = closing_mrr_minor then cast(0 as decimal(28, 6))
            else {{ to_reporting(
                'closing_mrr_minor - opening_mrr_minor', rate_or_error('closing_rate', 'currency', 'rate_on'), 'exponent', 'reporting_exponent',
            ) }}
        end as change_reporting_minor
    from valued
),

several_currencies as (
    select customer_id
    from pairs
    group by customer_id
    having count(*) > 1
),

totals as (
    select
        reported.customer_id,
        reported.month,
        sum(reported.opening_mrr_minor) as opening_minor,
        sum(reported.closing_mrr_minor) as closing_minor,
        sum(reported.change_reporting_minor) as change_minor
    from reported
    inner join several_currencies
        on reported.customer_id = several_currencies.customer_id
    group by reported.customer_id, reported.month
),

-- most customers pay in one currency: only the others are added up
totalled as (
    select
        reported.*,
        coalesce(totals.opening_minor, reported.opening_mrr_minor) as customer_opening,
        coalesce(totals.closing_minor, reported.closing_mrr_minor) as customer_closing,
        coalesce(totals.change_minor, reported.change_reporting_minor) as customer_change
    from reported
    left join totals
        on reported.customer_id = totals.customer_id and reported.month = totals.month
),

final as (
    select
        {{ md5_id(['totalled.customer_id', 'totalled.currency', 'totalled.month']) }} as id,
        totalled.customer_id,
        totalled.currency,
        totalled.month,
        case
            when totalled.customer_opening = 0 and totalled.customer_closing = 0 then 'none'
            when totalled.customer_opening = 0 and {{ month_of('joinings.joined_on') }} = totalled.month then 'new'
            when totalled.customer_opening = 0 then 'reactivation'
            when totalled.customer_closing = 0 then 'churn'
            when totalled.customer_change > 0 then 'expansion'
            when totalled.customer_change < 0 then 'contraction'
            else 'retained'
        end as category,
        totalled.is_complete,
        cast(totalled.opening_mrr_minor as decimal(28, 6)) as opening_mrr_minor,
        {%- for type in ['new', 'expansion', 'contraction', 'churn', 'reactivation'] %}
        cast(coalesce(totalled.{{ type }}_minor, 0) as decimal(28, 6)) as {{ type }}_minor,
        {%- endfor %}
        cast(totalled.closing_mrr_minor as decimal(28, 6)) as closing_mrr_minor,
        cast(totalled.closing_list_mrr_minor as decimal(28, 6)) as closing_list_mrr_minor,
        totalled.opening_mrr_reporting_minor,
        {%- for type in ['new', 'expansion', 'contraction', 'churn', 'reactivation'] %}
        cast(coalesce(totalled.{{ type }}_reporting_minor, 0) as decimal(28, 6)) as {{ type }}_reporting_minor,
        {%- endfor %}
        cast(
            totalled.closing_mrr_reporting_minor - totalled.opening_mrr_reporting_minor
            {%- for type in ['new', 'expansion', 'contraction', 'churn', 'reactivation'] %}
            - coalesce(totalled.{{ type }}_reporting_minor, 0)
            {%- endfor %} as decimal(28, 6)
        ) as fx_reporting_minor,
        totalled.closing_mrr_reporting_minor,
        totalled.closing_list_mrr_reporting_minor
    from totalled
    left join joinings
        on totalled.customer_id = joinings.customer_id
)

select * from final
