-- one row per Stripe object of the kinds that are few: its newest content, and its deletion (then also without any content)
{{ config(materialized='incremental', incremental_strategy='replace_rows', unique_key=['object_type', 'object_id']) }}
{% set streams = {
    'customer': 'customers', 'product': 'products', 'price': 'prices', 'coupon': 'coupons',
    'promotion_code': 'promotion_codes', 'tax_rate': 'tax_rates', 'invoiceitem': 'invoice_items', 'refund': 'refunds',
    'credit_note': 'credit_notes', 'dispute': 'disputes', 'payout': 'payouts',
} %}
{% set columns = ['object_type', 'object_id', 'is_record', 'step', 'raw_json', 'record_json', 'record_known_at', 'known_at', 'deleted_at', 'load_id'] %}
with events as (
    select * from {{ ref('int_stripe_events') }}
    where object_type in ('{{ streams | join("', '") }}')
    {%- if is_incremental() %}
    and load_id > {{ loaded_through() }}
    {%- endif %}
),

looks as (
    {%- for type, stream in streams.items() %}
    select
        '{{ type }}' as object_type,
        object_id,
        true as is_record,
        9 as step,
        case when not is_tombstone then raw_json end as raw_json,
        extracted_at as known_at,
        case when is_tombstone then extracted_at end as deleted_at,
        load_id
    from {{ ref('stg_stripe__' ~ stream) }}
    where
        {{ of_our_mode() }} and object_id is not null
        {%- if is_incremental() %}
        and load_id > {{ loaded_through() }}
        {%- endif %}
    union all
    {%- endfor %}
    select
        object_type,
        subject_id as object_id,
        false as is_record,
        {{ step_of_event('event_type') }} as step,
        object_json as raw_json,
        occurred_at as known_at,
        case when event_type = object_type || '.deleted' then occurred_at end as deleted_at,
        load_id
    from events
    where subject_id is not null
),

candidates as (
    select
        object_type,
        object_id,
        is_record,
        step,
        raw_json,
        case when is_record and object_type = 'credit_note' then raw_json end as record_json,
        case when is_record and object_type = 'credit_note' then known_at end as record_known_at,
        known_at,
        deleted_at,
        load_id
    from looks
    {%- if is_incremental() %}
    union all
    select {{ columns | join(', ') }} from {{ this }}
    where (object_type, object_id) in (select object_type, object_id from looks)
    {%- endif %}
),

-- content alone breaks a tie of version: nothing depends on the order of arrival
hashed as (
    select
        *,
        md5(raw_json) as content_hash
    from candidates
),

ranked as (
    select
        *,
        row_number() over (
            partition by object_type, object_id
            order by case when raw_json is null then 1 else 0 end, known_at desc, step desc, content_hash desc
        ) as newness
    from hashed
),

gathered as (
    select
        object_type,
        object_id,
        {{ arg_max('record_json', '(record_known_at, md5(record_json))') }} as record_json,
        max(record_known_at) as record_known_at,
        min(deleted_at) as deleted_at,
        max(load_id) as load_id
    from candidates
    group by object_type, object_id
),

final as (
    select
        ranked.object_type,
        ranked.object_id,
        ranked.is_record,
        ranked.step,
        ranked.raw_json,
        gathered.record_json,
        gathered.record_known_at,
        ranked.known_at,
        gathered.deleted_at,
        gathered.load_id
    from ranked
    inner join gathered
        on ranked.object_type = gathered.object_type and ranked.object_id = gathered.object_id
    where ranked.newness = 1
)

select * from final
