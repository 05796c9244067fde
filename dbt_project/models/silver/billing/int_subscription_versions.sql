-- one row per subscription and state that held from one instant to the next (contiguous, half-open intervals)
{{ config(
    materialized='incremental',
    incremental_strategy='replace_touched',
    unique_key='subscription_id',
    touched_by='int_subscription_loads',
    computed_once=['keyed', 'changes', 'asked_parts', 'discounted_parts'],
) }}
with touched as (
    {{ touched(ref('int_subscription_loads')) }}
),

whole_states as (
    select
        states.*,
        touched.load_id as newest_load_id
    from {{ ref('int_subscription_states') }} as states
    inner join touched
        on states.object_id = touched.subscription_id
),

-- what decides where versions begin and end; the rest (items are long) joins them at the end
states as (
    select
        state_id,
        origin,
        event_type,
        known_at,
        state_key,
        object_id,
        stripe_customer_id,
        status,
        currency,
        trial_start_at,
        trial_end_at,
        canceled_at,
        cancel_at,
        is_cancel_at_period_end,
        ended_at,
        cancellation_reason,
        pause_behavior,
        pause_resumes_at,
        paused_at,
        created_at,
        discounts_json,
        discount_json,
        case
            when event_type in ('customer.subscription.created', 'customer.subscription.updated', 'customer.subscription.deleted') then 1
            else 0
        end as is_change
    from whole_states
),

-- `paused`, `resumed`, `pending_update_applied` and the like come with an update of the same second and show what it tells: where
-- there is one they say nothing, and would be counted as arrivals
keyed as (
    select * from (
        select
            *,
            max(is_change) over (partition by object_id, known_at) as has_change
        from states
    ) as seconds
    where origin = 'record' or is_change = 1 or has_change = 0
),

sights as (
    select * from {{ ref('int_subscription_sights') }}
),

schedules as (
    select * from {{ ref('stg_stripe__subscription_schedules') }}
    where coalesce(livemode, {{ var('expected_livemode') }}) = {{ var('expected_livemode') }} and not is_tombstone
),

phases as (
    {{ each_element('schedules', ['subscription_id'], 'phases_json') }}
),

-- Event times are whole seconds and ids don't sort. Within a second the changes form a chain, before -> after: the state that
-- is arrived at once more than it is left is its end; where all balance, nothing has changed.
balance_of_a_second as (
    select
        object_id,
        known_at,
        state_key,
        sum(case origin when 'after' then 1 else -1 end) as net
    from keyed
    where origin in ('after', 'before')
    group by object_id, known_at, state_key
),

afters as (
    select
        keyed.*,
        balance_of_a_second.net,
        row_number() over (
            partition by keyed.object_id, keyed.known_at
            order by
                case when keyed.event_type = 'customer.subscription.deleted' then 0 else 1 end,
                balance_of_a_second.net desc,
                case when keyed.event_type = 'customer.subscription.created' then 1 else 0 end,
                keyed.state_key,
                keyed.state_id
        ) as place,
        max(case when keyed.event_type = 'customer.subscription.updated' then 0 else 1 end) over (
            partition by keyed.object_id, keyed.known_at
        ) as has_fixed_point
    from keyed
    inner join balance_of_a_second
        on
            keyed.object_id = balance_of_a_second.object_id
            and keyed.known_at = balance_of_a_second.known_at
            and keyed.state_key = balance_of_a_second.state_key
    where keyed.origin = 'after'
),

-- before the first event: what stood before it, from the subscription's beginning, unless it is the creation itself
firsts as (
    select
        keyed.*,
        row_number() over (
            partition by keyed.object_id
            order by
                keyed.known_at,
                case
                    when keyed.event_type = 'customer.subscription.created' then 0
                    when keyed.origin = 'before' then 1
                    when keyed.origin = 'after' then 2
                    else 3
                end,
                balance_of_a_second.net,
                keyed.state_key,
                keyed.state_id
        ) as place
    from keyed
    left join balance_of_a_second
        on
            keyed.object_id = balance_of_a_second.object_id
            and keyed.known_at = balance_of_a_second.known_at
            and keyed.state_key = balance_of_a_second.state_key
            and keyed.origin <> 'record'
),

observations as (
    select
        object_id,
        state_id,
        known_at as valid_from,
        1 as stage,
        coalesce(event_type <> 'customer.subscription.created', true) as is_inferred
    from firsts
    where place = 1 and event_type = 'customer.subscription.created'
    union all
    select
        object_id,
        state_id,
        least(coalesce(created_at, known_at), known_at) as valid_from,
        0 as stage,
        true as is_inferred
    from firsts
    where place = 1 and coalesce(event_type <> 'customer.subscription.created', true)
    union all
    select
        object_id,
        state_id,
        -- an end is dated by itself, not by its message
        case
            when event_type = 'customer.subscription.deleted' then least(coalesce(ended_at, known_at), known_at)
            else known_at
        end as valid_from,
        2 as stage,
        false as is_inferred
    from afters
    where place = 1 and (net > 0 or has_fixed_point = 1)
    union all
    select
        object_id,
        state_id,
        known_at as valid_from,
        3 as stage,
        false as is_inferred
    from keyed
    where origin = 'record'
),

ordered as (
    select
        observations.is_inferred,
        observations.stage,
        observations.valid_from as noted_from,
        keyed.*,
        lag(keyed.state_key) over (
            partition by observations.object_id order by observations.valid_from, observations.stage, keyed.state_key, keyed.state_id
        ) as state_key_before,
        lag(keyed.status) over (
            partition by observations.object_id order by observations.valid_from, observations.stage, keyed.state_key, keyed.state_id
        ) as status_before,
        lag(keyed.trial_end_at) over (
            partition by observations.object_id order by observations.valid_from, observations.stage, keyed.state_key, keyed.state_id
        ) as trial_end_before,
        lag(observations.valid_from) over (
            partition by observations.object_id order by observations.valid_from, observations.stage, keyed.state_key, keyed.state_id
        ) as noted_before
    from keyed
    inner join observations
        on keyed.object_id = observations.object_id and keyed.state_id = observations.state_id
),

-- a phase of a schedule begins at its start; its event follows within the hour
phase_starts as (
    select
        ordered.object_id,
        ordered.state_id,
        max({{ instant_at('phases.element', 'start_date') }}) as phase_start_at
    from ordered
    inner join phases
        on
            ordered.object_id = phases.subscription_id
            and ordered.noted_from >= {{ instant_at('phases.element', 'start_date') }}
            and ordered.noted_before < {{ instant_at('phases.element', 'start_date') }}
    where
        ordered.stage = 2
        and ordered.event_type = 'customer.subscription.updated'
        and ordered.noted_from < {{ instant_at('phases.element', 'start_date') }} + interval '1 hour'
    group by ordered.object_id, ordered.state_id
),

-- transitions have instants of their own, before their events
changes as (
    select
        ordered.*,
        case
            when
                status_before = 'trialing' and status <> 'trialing'
                and trial_end_before >= noted_before and trial_end_before <= noted_from
                then trial_end_before
            when status = 'paused' and paused_at >= noted_before and paused_at <= noted_from then paused_at
            when status = 'canceled' and status_before <> 'canceled' and ended_at >= noted_before and ended_at <= noted_from
                then ended_at
            when phase_starts.phase_start_at is not null then phase_starts.phase_start_at
            else noted_from
        end as valid_from
    from ordered
    left join phase_starts
        on
            ordered.object_id = phase_starts.object_id and ordered.state_id = phase_starts.state_id
            and ordered.stage = 2
    where state_key_before is null or state_key_before <> state_key
),

-- An inferred first state has not held unchanged since the beginning: a trial was a trial, what has ended or was paused was active, and so
-- was what began a trial later than it began itself.
{%- set stopped_at = "case status when 'canceled' then ended_at when 'paused' then paused_at end" %}
{%- set is_late_trial = "trial_start_at >= valid_from + interval '1' day" %}
first_parts as (
    select
        *,
        cast(null as string) as assumed_status,
        valid_from as part_from
    from changes
    union all
    select
        *,
        'trialing' as assumed_status,
        case when {{ is_late_trial }} then trial_start_at else valid_from end as part_from
    from changes
    where is_inferred and status <> 'trialing' and trial_end_at > valid_from
    union all
    select
        *,
        'active' as assumed_status,
        valid_from as part_from
    from changes
    where is_inferred and {{ is_late_trial }}
    union all
    select
        *,
        'active' as assumed_status,
        case when trial_end_at > valid_from then trial_end_at else valid_from end as part_from
    from changes
    where
        is_inferred and {{ stopped_at }} > valid_from
        and (trial_end_at is null or trial_end_at < {{ stopped_at }})
),

parts as (
    select
        *,
        case
            when assumed_status is not null or not is_inferred then part_from
            when {{ stopped_at }} > valid_from then {{ stopped_at }}
            when status = 'trialing' and {{ is_late_trial }} then trial_start_at
            when status not in ('trialing', 'canceled') and trial_end_at > valid_from then trial_end_at
            else part_from
        end as begins_at,
        coalesce(assumed_status, status) as status_then
    from first_parts
),

-- of several states of one instant the last one stands
last_of_instant as (
    select
        *,
        row_number() over (
            partition by object_id, begins_at
            order by noted_from desc, stage desc, case when assumed_status is null then 0 else 1 end, state_key, state_id
        ) as place
    from parts
),

-- In an inferred first state nobody had asked for the end before `canceled_at`; where that is not said, before the first sight.
requests as (
    select
        *,
        case
            when is_inferred and (is_cancel_at_period_end or cancel_at is not null) then coalesce(canceled_at, known_at)
        end as asked_at,
        lead(begins_at) over (partition by object_id order by begins_at) as ends_at
    from last_of_instant
    where place = 1
),

asked_parts as (
    select
        *,
        begins_at as holds_from,
        coalesce(asked_at <= begins_at, true) as knows_request
    from requests
    union all
    select
        *,
        asked_at as holds_from,
        true as knows_request
    from requests
    where asked_at > begins_at and asked_at < coalesce(ends_at, {{ end_of_time() }})
),

-- old API versions don't say why; what was seen later does
known_reasons as (
    select
        object_id,
        {{ arg_max('cancellation_reason', '(known_at, state_id)') }} as cancellation_reason
    from keyed
    where status = 'canceled' and cancellation_reason is not null
    group by object_id
),

asked_spans as (
    select
        *,
        lead(holds_from) over (partition by object_id order by holds_from) as holds_until
    from asked_parts
),

-- What invoices show of the discounts in an inferred first state's time; from the last of them on it is as it was first seen.
first_sights as (
    select
        object_id,
        max(known_at) as first_seen_at,
        max(coalesce(discounts_json, '[' || discount_json || ']', '[]')) as discounts_json
    from asked_parts
    where is_inferred
    group by object_id
),

-- two invoices of one second count as one
instant_sights as (
    select
        subscription_id,
        seen_at,
        max(discounts_json) as discounts_json
    from sights
    where discounts_json is not null
    group by subscription_id, seen_at
),

shown_discounts as (
    select
        first_sights.object_id,
        instant_sights.seen_at,
        case
            when lead(instant_sights.seen_at) over (partition by first_sights.object_id order by instant_sights.seen_at) is null
                then first_sights.discounts_json
            else instant_sights.discounts_json
        end as discounts_json
    from first_sights
    inner join instant_sights
        on
            first_sights.object_id = instant_sights.subscription_id
            and instant_sights.seen_at < first_sights.first_seen_at
),

compared_discounts as (
    select
        *,
        lag(discount_ids) over (partition by object_id order by seen_at) as discount_ids_before,
        row_number() over (partition by object_id order by seen_at) as place
    from (
        select *, case when discounts_json = '[]' then '' else {{ ids_text('discounts_json', '') }} end as discount_ids
        from shown_discounts
    ) as named_discounts
),

-- the first one holds from the beginning
discount_changes as (
    select
        *,
        lead(seen_at) over (partition by object_id order by seen_at) as seen_until
    from compared_discounts
    where place = 1 or discount_ids <> discount_ids_before
),

discounted_parts as (
    select
        asked_spans.*,
        case
            when discount_changes.place > 1 then greatest(asked_spans.holds_from, discount_changes.seen_at)
            else asked_spans.holds_from
        end as shown_from,
        coalesce(
            discount_changes.discounts_json, asked_spans.discounts_json, '[' || asked_spans.discount_json || ']'
        ) as shown_discounts_json
    from asked_spans
    left join discount_changes
        on
            asked_spans.object_id = discount_changes.object_id
            and asked_spans.is_inferred
            and (discount_changes.place = 1 or discount_changes.seen_at < coalesce(asked_spans.holds_until, {{ end_of_time() }}))
            and coalesce(discount_changes.seen_until, {{ end_of_time() }}) > asked_spans.holds_from
),

-- A subscription that is first seen unpaid, or with its collection paused, was neither while its invoices were paid.
payments as (
    select
        subscription_id,
        max(paid_until) as paid_until
    from sights
    group by subscription_id
),

lapses as (
    select
        discounted_parts.*,
        case
            when
                discounted_parts.is_inferred and payments.paid_until is not null
                and (discounted_parts.status_then = 'unpaid' or discounted_parts.pause_behavior is not null)
                then least(payments.paid_until, discounted_parts.known_at)
        end as lapsed_at,
        lead(discounted_parts.shown_from) over (
            partition by discounted_parts.object_id order by discounted_parts.shown_from
        ) as shown_until
    from discounted_parts
    left join payments
        on discounted_parts.object_id = payments.subscription_id
),

lapsed_parts as (
    select
        *,
        shown_from as stands_from,
        coalesce(lapsed_at <= shown_from, true) as has_lapsed
    from lapses
    union all
    select
        *,
        lapsed_at as stands_from,
        true as has_lapsed
    from lapses
    where lapsed_at > shown_from and lapsed_at < coalesce(shown_until, {{ end_of_time() }})
),

numbered as (
    select
        *,
        row_number() over (partition by object_id order by stands_from) as version_number,
        coalesce(lead(stands_from) over (partition by object_id order by stands_from), {{ end_of_time() }}) as stands_until
    from lapsed_parts
),

final as (
    select
        numbered.object_id as subscription_id,
        numbered.stripe_customer_id,
        numbered.version_number,
        numbered.stands_from as valid_from,
        numbered.stands_until as valid_to,
        case when numbered.has_lapsed or numbered.status_then <> 'unpaid' then numbered.status_then else 'active' end as status,
        numbered.currency,
        case when numbered.has_lapsed then numbered.pause_behavior end as pause_behavior,
        case when numbered.has_lapsed then numbered.pause_resumes_at end as pause_resumes_at,
        numbered.is_cancel_at_period_end and numbered.knows_request as is_cancel_at_period_end,
        whole_states.is_automatic_tax,
        numbered.is_inferred,
        whole_states.has_more_items,
        coalesce(
            numbered.cancellation_reason, case when numbered.status_then = 'canceled' then known_reasons.cancellation_reason end
        ) as cancellation_reason,
        whole_states.collection_method,
        numbered.origin,
        numbered.event_type,
        whole_states.items_json,
        numbered.shown_discounts_json as discounts_json,
        whole_states.default_tax_rates_json,
        numbered.created_at,
        whole_states.started_at,
        whole_states.trial_start_at,
        numbered.trial_end_at,
        case when numbered.knows_request then numbered.canceled_at end as canceled_at,
        case when numbered.knows_request then numbered.cancel_at end as cancel_at,
        case when numbered.status_then = numbered.status then numbered.ended_at end as ended_at,
        whole_states.current_period_start_at,
        whole_states.current_period_end_at,
        numbered.known_at as noted_at,
        whole_states.newest_load_id as load_id
    from numbered
    inner join whole_states
        on numbered.object_id = whole_states.object_id and numbered.state_id = whole_states.state_id
    left join known_reasons
        on numbered.object_id = known_reasons.object_id
)

select * from final
