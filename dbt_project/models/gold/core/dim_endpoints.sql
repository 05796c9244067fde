-- one row per endpoint of the API: those with a multiplier of their own and all that were ever called.

with

multipliers as (

    select * from {{ ref('endpoint_multipliers') }}

),

called as (

    select distinct endpoint from {{ ref('int_api_calls') }}
    where endpoint is not null

),

endpoints as (

    select endpoint from multipliers
    union
    select endpoint from called

),

final as (

    select
        {{ md5_id(['endpoints.endpoint']) }} as id,
        endpoints.endpoint,
        cast(coalesce(multipliers.multiplier, 1) as decimal(9, 3)) as compute_multiplier,
        multipliers.endpoint is not null as has_own_multiplier
    from endpoints
    left join multipliers
        on endpoints.endpoint = multipliers.endpoint

)

select * from final
