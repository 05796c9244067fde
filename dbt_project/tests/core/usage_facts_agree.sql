-- Calls of a day are the same number in silver, in the fact and in the daily aggregate; feature usage is the calls that name a
-- feature. Looks at the days that the last loads touched (all days on a full refresh and on Sundays).
{% set looked_at = on_touched_days(ref('int_api_calls'), 'load_id') %}

with

silver as (

    select date_partition, count(*) as calls, count(feature) as feature_calls from {{ ref('int_api_calls') }}
    where {{ looked_at }}
    group by date_partition

),

facts as (

    select date_partition, count(*) as calls from {{ ref('fact_api_usage') }}
    where {{ looked_at }}
    group by date_partition

),

aggregates as (

    select date_partition, sum(calls) as calls from {{ ref('agg_api_usage_daily') }}
    group by date_partition

),

feature_usage as (

    select date_partition, sum(usage_count) as calls from {{ ref('fact_feature_usage') }}
    group by date_partition

),

customer_usage as (

    select date_partition, sum(calls) as calls from {{ ref('int_customer_usage_daily') }}
    group by date_partition

)

select
    silver.date_partition,
    silver.calls,
    facts.calls as fact_calls,
    aggregates.calls as aggregate_calls,
    customer_usage.calls as customer_calls,
    silver.feature_calls,
    feature_usage.calls as fact_feature_calls
from silver
left join facts
    on silver.date_partition = facts.date_partition
left join aggregates
    on silver.date_partition = aggregates.date_partition
left join feature_usage
    on silver.date_partition = feature_usage.date_partition
left join customer_usage
    on silver.date_partition = customer_usage.date_partition
where
    silver.calls is distinct from facts.calls
    or silver.calls is distinct from aggregates.calls
    or silver.calls is distinct from customer_usage.calls
    or silver.feature_calls != coalesce(feature_usage.calls, 0)
