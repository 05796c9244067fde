-- one row per customer, currency and stretch of time with the same MRR (contiguous from the first to the open end; 0 where it lapsed)
with subscription_steps as (
    select * from {{ ref('int_subscription_mrr_steps') }}
),

-- list MRR changes beside net MRR: both are kept
changes as (
    select
        customer_id,
        currency,
        valid_from as changes_at,
        mrr_minor as mrr_change,
        list_mrr_minor as list_change
    from subscription_steps
    union all
    select
        customer_id,
        currency,
        valid_to as changes_at,
        -mrr_minor as mrr_change,
        -list_mrr_minor as list_change
    from subscription_steps
    where valid_to < {{ end_of_time() }}
),

by_instant as (
    select
        customer_id,
        currency,
        changes_at,
        sum(mrr_change) as mrr_change,
        sum(list_change) as list_change
    from changes
    group by customer_id, currency, changes_at
),

real_changes as (
    -- a coupon's end that lies ahead has not happened yet
    select * from by_instant
    where (mrr_change <> 0 or list_change <> 0) and changes_at < {{ as_of() }}
),

final as (
    select
        customer_id,
        currency,
        changes_at as valid_from,
        coalesce(
            lead(changes_at) over (partition by customer_id, currency order by changes_at), {{ end_of_time() }}
        ) as valid_to,
        cast(sum(mrr_change) over (
            partition by customer_id, currency order by changes_at rows between unbounded preceding and current row
        ) as decimal(28, 6)) as mrr_minor,
        cast(sum(list_change) over (
            partition by customer_id, currency order by changes_at rows between unbounded preceding and current row
        ) as decimal(28, 6)) as list_mrr_minor,
        cast(mrr_change as decimal(28, 6)) as mrr_change_minor
    from real_changes
)

select * from final
