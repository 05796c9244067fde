-- one row per source and stream: everything that happened in it before this instant is in the warehouse.

with

final as (

    select
        {{ md5_id(['source', 'stream']) }} as id,
        source,
        stream,
        complete_through
    from {{ ref('int_complete_through') }}

)

select * from final
