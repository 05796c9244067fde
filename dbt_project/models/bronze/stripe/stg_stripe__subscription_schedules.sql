-- one row per landed record of a subscription schedule: re-sent and older versions too
{% set columns = stripe_head('fields') ~ ',' ~ stripe_subscription_schedule('fields') %}
with source as (
    select * from {{ source('stripe', 'subscription_schedules') }}
),

opened as (
    select
        {{ opened('_raw', columns) }},
        {{- landing_columns() }}
    from source
),

final as (
    select
        {{- columns }},
        raw_json,
        extracted_at,
        load_id
    from opened
)

select * from final
