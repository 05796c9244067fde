-- one row per Stripe object of the expected mode: its newest content out of list records and event snapshots together
{% set streams = {
    'customer': 'customers', 'product': 'products', 'price': 'prices', 'coupon': 'coupons',
    'promotion_code': 'promotion_codes', 'tax_rate': 'tax_rates', 'invoice': 'invoices',
    'invoiceitem': 'invoice_items', 'charge': 'charges', 'refund': 'refunds', 'credit_note': 'credit_notes',
    'dispute': 'disputes', 'payout': 'payouts', 'balance_transaction': 'balance_transactions',
} %}
with
{%- for type, stream in streams.items() %}
{{ stream }} as (
    select * from {{ ref('stg_stripe__' ~ stream) }}
),
{% endfor %}
events as (
    select * from {{ ref('stg_stripe__events') }}
),

snapshots as (
    {%- for type, stream in streams.items() %}
    select
        '{{ type }}' as object_type,
        object_id,
        livemode,
        is_tombstone,
        is_tombstone as is_deletion,
        true as is_record,
        9 as step,
        raw_json,
        extracted_at as known_at
    from {{ stream }}
    union all
    {%- endfor %}
    select
        object_type,
        subject_id as object_id,
        livemode,
        false as is_tombstone,
        event_type = object_type || '.deleted' as is_deletion,
        false as is_record,
        -- several things happen to an object within one second: creation comes first, then what it led to
        case
            when event_type like '%.created' then 0
            when event_type like '%.updated' then 1
            when event_type like '%.finalized' then 2
            when event_type like '%.deleted' then 4
            else 3
        end as step,
        object_json as raw_json,
        created_at as known_at
    from events
    where object_type in ('{{ streams | join("', '") }}')
),

of_our_mode as (
    select * from snapshots
    where coalesce(livemode, {{ var('expected_livemode') }}) = {{ var('expected_livemode') }}
),

-- content alone breaks a tie of version: nothing depends on the order of arrival
ranked as (
    select
        *,
        row_number() over (
            partition by object_type, object_id
            order by known_at desc, step desc, md5(raw_json) desc
        ) as newness
    from of_our_mode
    where not is_tombstone
),

records as (
    select
        object_type,
        object_id,
        {{ arg_max('raw_json', 'known_at') }} as record_json
    from of_our_mode
    where is_record and not is_tombstone and object_type in ('invoice', 'credit_note')
    group by object_type, object_id
),

deletions as (
    select
        object_type,
        object_id,
        min(known_at) as deleted_at
    from of_our_mode
    where is_deletion
    group by object_type, object_id
),

final as (
    select
        ranked.object_type,
        ranked.object_id,
        ranked.raw_json,
        -- an event's snapshot is cut after ten lines and has nothing that must be asked for
        case when not ranked.is_record then records.record_json end as record_json,
        ranked.known_at,
        deletions.deleted_at is not null as is_deleted,
        deletions.deleted_at
    from ranked
    left join records
        on ranked.object_type = records.object_type and ranked.object_id = records.object_id
    left join deletions
        on ranked.object_type = deletions.object_type and ranked.object_id = deletions.object_id
    where ranked.newness = 1
)

select * from final
