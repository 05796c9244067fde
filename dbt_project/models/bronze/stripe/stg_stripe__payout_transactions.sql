-- one row per landed record of a balance transaction of a payout: re-sent and older versions too
{% set columns = stripe_head('fields') ~ ',' ~ stripe_payout_transaction('fields') %}
with source as (
    select * from {{ source('stripe', 'payout_transactions') }}
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
