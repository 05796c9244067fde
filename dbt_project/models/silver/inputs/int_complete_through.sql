-- one row per source and stream: up to when it is complete (NULL: nothing complete has arrived yet).

with

landed as (

    select * from {{ ref('stg_landing__complete_through') }}

),

final as (

    select
        source,
        stream,
        max(complete_through) as complete_through
    from landed
    group by source, stream

)

select * from final
