-- one row per source and stream: everything that happened in it before this instant is in the warehouse.
--
-- MRR movements lag behind Stripe by the grace in which an end may still turn out to be a migration.

with

streams as (

    select
        source,
        stream,
        complete_through
    from {{ ref('int_complete_through') }}
    union all
    select
        'stripe' as source,
        'mrr_movements' as stream,
        min(complete_through) - interval '{{ var("migration_grace_hours") }}' hour as complete_through
    from {{ ref('int_complete_through') }}
    where source = 'stripe'
    having count(*) > 0

),

final as (

    select
        {{ md5_id(['source', 'stream']) }} as id,
        source,
        stream,
        complete_through
    from streams

)

select * from final
