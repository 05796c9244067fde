-- one row per customer, scheme and segment that the customer may be in 30 days after the newest scored day
{{ config(materialized='table', tags=['after_ml']) }}

with

segments as (

    select * from {{ ref('customer_segments') }}
    where is_latest

),

transitions as (

    select * from {{ ref('segment_transitions') }}
    where is_latest

),

-- the chance stands in every month's row
chances as (

    select
        scheme,
        from_segment,
        to_segment,
        max(probability_30d) as probability_30d
    from transitions
    group by scheme, from_segment, to_segment

),

present as (

    select
        customer_id,
        as_of_date,
        'cluster' as scheme,
        cluster_segment as from_segment
    from segments
    union all
    select
        customer_id,
        as_of_date,
        'rule' as scheme,
        rule_segment as from_segment
    from segments

),

final as (

    select
        -- keys
        {{ md5_id(['present.customer_id', 'present.scheme', 'chances.to_segment']) }} as id,
        present.customer_id,
        present.scheme,
        chances.to_segment,
        -- attributes
        present.as_of_date,
        present.from_segment,
        present.from_segment = chances.to_segment as is_staying,
        -- measures
        chances.probability_30d
    from present
    inner join chances
        on
            present.scheme = chances.scheme
            and present.from_segment = chances.from_segment

)

select * from final
