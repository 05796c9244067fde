-- one row per customer, currency and instant at which its MRR changed, with what the change is called and why
with steps as (
    select * from {{ ref('int_customer_mrr_steps') }}
),

subscription_steps as (
    select * from {{ ref('int_subscription_mrr_steps') }}
    where mrr_minor > 0
),

versions as (
    select * from {{ ref('int_subscription_versions') }}
),

item_mrr as (
    select * from {{ ref('int_item_mrr') }}
),

fx_rates as (
    select * from {{ ref('int_fx_rates') }}
),

currencies as (
    select * from {{ ref('currencies') }}
),

instants as (
    select
        customer_id,
        valid_from as occurred_at,
        count(*) as currency_count
    from steps
    where mrr_change_minor <> 0
    group by customer_id, valid_from
),

-- the customer's total at an instant, in all of its currencies
totals as (
    select
        instants.customer_id,
        instants.occurred_at,
        sum(case when steps.valid_from = instants.occurred_at then steps.mrr_minor - steps.mrr_change_minor else steps.mrr_minor end)
            as mrr_before,
        sum(steps.mrr_minor) as mrr_after,
        -- several currencies at once: the direction is that of the sum at the day's rates
        sum(case when steps.valid_from = instants.occurred_at and instants.currency_count > 1
            then {{ to_reporting(
                'steps.mrr_change_minor',
                rate_or_error('fx_rates.rate_to_reporting', 'steps.currency', reporting_date('instants.occurred_at')),
                'currencies.exponent', 2,
            ) }}
            when steps.valid_from = instants.occurred_at then steps.mrr_change_minor
            else 0
        end) as direction
    from instants
    inner join steps
        on
            instants.customer_id = steps.customer_id
            and steps.valid_from <= instants.occurred_at and steps.valid_to > instants.occurred_at
    left join fx_rates
        on
            steps.currency = fx_rates.currency
            and fx_rates.date = {{ reporting_date('instants.occurred_at') }}
            and instants.currency_count > 1
    left join currencies
        on steps.currency = currencies.currency
    group by instants.customer_id, instants.occurred_at
),

firsts as (
    select
        customer_id,
        min(occurred_at) as first_at
    from instants
    group by customer_id
),

named as (
    select
        totals.*,
        case
            when totals.mrr_before = 0 and totals.occurred_at = firsts.first_at then 'new'
            when totals.mrr_before = 0 then 'reactivation'
            when totals.mrr_after = 0 then 'churn'
            when totals.direction >= 0 then 'expansion'
            else 'contraction'
        end as movement_type
    from totals
    inner join firsts
        on totals.customer_id = firsts.customer_id
),

-- what became of each subscription at the instant at which its own MRR fell or rose
falls as (
    select
        subscription_steps.customer_id,
        subscription_steps.subscription_id,
        subscription_steps.valid_to as occurred_at,
        subscription_steps.own_valid_to,
        subscription_steps.mrr_minor
    from subscription_steps
    where subscription_steps.valid_to < {{ end_of_time() }}
),

paused_segments as (
    select
        subscription_id,
        valid_from,
        max(case when zero_reason = 'paused' then 1 else 0 end) as is_paused
    from item_mrr
    group by subscription_id, valid_from
),

resumptions as (
    select
        item_mrr.customer_id,
        item_mrr.valid_to as occurred_at
    from item_mrr
    inner join subscription_steps
        on
            item_mrr.subscription_id = subscription_steps.subscription_id
            and item_mrr.valid_to = subscription_steps.valid_from
    where item_mrr.zero_reason = 'paused'
    group by item_mrr.customer_id, item_mrr.valid_to
),

fall_reasons as (
    select
        falls.customer_id,
        falls.occurred_at,
        falls.mrr_minor,
        falls.subscription_id,
        case
            when versions.status = 'paused' or paused_segments.is_paused = 1 then 'pause'
            when versions.status in ('unpaid', 'incomplete_expired'{{ ", 'past_due'" if not var('past_due_counts_as_mrr') }}) then 'involuntary'
            when versions.cancellation_reason in ('payment_failed', 'payment_disputed') then 'involuntary'
            when versions.status = 'canceled' and versions.cancellation_reason is null and before_end.status in ('past_due', 'unpaid')
                then 'involuntary'
            else 'voluntary'
        end as reason
    from falls
    inner join versions
        on
            falls.subscription_id = versions.subscription_id
            and falls.own_valid_to >= versions.valid_from and falls.own_valid_to < versions.valid_to
    left join versions as before_end
        on
            versions.subscription_id = before_end.subscription_id
            and versions.version_number = before_end.version_number + 1
    left join paused_segments
        on
            falls.subscription_id = paused_segments.subscription_id
            and falls.own_valid_to = paused_segments.valid_from
),

reasons as (
    select
        customer_id,
        occurred_at,
        {{ arg_max('reason', "(mrr_minor, subscription_id)") }} as reason
    from fall_reasons
    group by customer_id, occurred_at
),

final as (
    select
        steps.customer_id,
        steps.currency,
        steps.valid_from as occurred_at,
        named.movement_type,
        steps.mrr_change_minor as amount_minor,
        case
            when named.movement_type in ('churn', 'contraction') then reasons.reason
            when resumptions.customer_id is not null then 'pause'
        end as reason
    from steps
    inner join named
        on steps.customer_id = named.customer_id and steps.valid_from = named.occurred_at
    left join reasons
        on steps.customer_id = reasons.customer_id and steps.valid_from = reasons.occurred_at
    left join resumptions
        on steps.customer_id = resumptions.customer_id and steps.valid_from = resumptions.occurred_at
    where steps.mrr_change_minor <> 0
)

select * from final
