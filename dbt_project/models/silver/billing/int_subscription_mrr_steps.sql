-- one row per subscription and stretch of time with the same MRR, migrations joined: where a successor begins, the old one ends
with item_mrr as (
    select * from {{ ref('int_item_mrr') }}
),

versions as (
    select * from {{ ref('int_subscription_versions') }}
),

by_instant as (
    select
        subscription_id,
        customer_id,
        currency,
        valid_from,
        valid_to,
        sum(mrr_minor) as mrr_minor,
        sum(list_mrr_minor) as list_mrr_minor,
        max(zero_reason) as zero_reason
    from item_mrr
    group by subscription_id, customer_id, currency, valid_from, valid_to
),

marked as (
    select
        *,
        lag(mrr_minor) over (partition by subscription_id order by valid_from) as mrr_before,
        lag(list_mrr_minor) over (partition by subscription_id order by valid_from) as list_mrr_before,
        lag(valid_to) over (partition by subscription_id order by valid_from) as left_at
    from by_instant
),

numbered as (
    select
        *,
        sum(
            case
                when mrr_before = mrr_minor and list_mrr_before = list_mrr_minor and left_at = valid_from then 0
                else 1
            end
        ) over (partition by subscription_id order by valid_from rows between unbounded preceding and current row) as step_number
    from marked
),

steps as (
    select
        subscription_id,
        customer_id,
        currency,
        min(valid_from) as valid_from,
        max(valid_to) as valid_to,
        min(mrr_minor) as mrr_minor,
        min(list_mrr_minor) as list_mrr_minor
    from numbered
    group by subscription_id, customer_id, currency, step_number
),

paying as (
    select
        subscription_id,
        customer_id,
        min(valid_from) as begins_at,
        max(valid_to) as stops_at
    from steps
    where mrr_minor > 0
    group by subscription_id, customer_id
),

-- ends of the subscription itself; a pause or a lapse into `unpaid` is no migration
endings as (
    select
        paying.subscription_id,
        paying.customer_id,
        paying.begins_at,
        paying.stops_at as ended_at
    from paying
    inner join versions
        on
            paying.subscription_id = versions.subscription_id
            and paying.stops_at = versions.valid_from
    where versions.status = 'canceled'
),

successions as (
    select
        endings.subscription_id,
        endings.ended_at,
        min(paying.begins_at) as handed_over_at
    from endings
    inner join paying
        on
            endings.customer_id = paying.customer_id
            and endings.subscription_id <> paying.subscription_id
            and paying.begins_at > endings.begins_at
            and paying.begins_at >= endings.ended_at - interval '{{ var("migration_grace_hours") }}' hour
            and paying.begins_at <= endings.ended_at + interval '{{ var("migration_grace_hours") }}' hour
    group by endings.subscription_id, endings.ended_at
),

final as (
    select
        steps.subscription_id,
        steps.customer_id,
        steps.currency,
        steps.valid_from,
        case
            when successions.handed_over_at is null then steps.valid_to
            -- the last paid stretch is held through the gap, or ends early where they overlap
            when steps.valid_to = successions.ended_at then successions.handed_over_at
            else least(steps.valid_to, successions.handed_over_at)
        end as valid_to,
        steps.mrr_minor,
        steps.list_mrr_minor,
        steps.valid_to as own_valid_to,
        successions.handed_over_at is not null and steps.valid_to = successions.ended_at as is_handed_over
    from steps
    left join successions
        on steps.subscription_id = successions.subscription_id
    where
        -- a subscription that is discounted to nothing still has its list MRR
        (steps.mrr_minor > 0 or steps.list_mrr_minor > 0)
        and (successions.handed_over_at is null or steps.valid_from < successions.handed_over_at)
)

select * from final
