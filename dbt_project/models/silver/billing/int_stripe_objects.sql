-- one row per Stripe object of the kinds that are few: its newest content out of list records and event snapshots together
{{ config(materialized='view') }}
with looks as (
    select * from {{ ref('int_stripe_object_looks') }}
    where raw_json is not null
),

final as (
    select
        object_type,
        object_id,
        raw_json,
        -- an event's snapshot is cut after ten lines and has nothing that must be asked for
        case when not is_record then record_json end as record_json,
        known_at,
        deleted_at is not null as is_deleted,
        deleted_at
    from looks
)

select * from final
