{#- A typed layer of one kind of Stripe object: each landed JSON is read once, and the newest content of each object is kept.

    The model selects the looks at objects of the loads it has not taken in (`typed_looks`); they are appended, and then what was
    seen more than once is settled (`settle_newest`, a post-hook): sorting all that was seen once would cost as much as reading
    it. The hook is a transaction of its own: taking rows away from a table of the same transaction writes it all twice. A build
    that dies in between leaves copies that the next one settles, before anything reads them. Newest is what was known last; within one second by what happened (a list's record
    stands above events), then by content: nothing depends on the order of arrival. -#}

{#- The names of a rendered list of columns (`… as name, …`). -#}
{%- macro column_names(columns) -%}
{{ return(modules.re.findall('\\bas (\\w+)\\s*(?:,|$)', columns)) }}
{%- endmacro -%}

{#- Several things happen to an object within one second: creation comes first, then what it led to. -#}
{%- macro step_of_event(event_type) -%}
case
    when {{ event_type }} like '%.created' then 0
    when {{ event_type }} like '%.updated' then 1
    when {{ event_type }} like '%.finalized' then 2
    when {{ event_type }} like '%.deleted' then 4
    else 3
end
{%- endmacro -%}

{%- macro of_our_mode(livemode='livemode') -%}
coalesce({{ livemode }}, {{ var('expected_livemode') }}) = {{ var('expected_livemode') }}
{%- endmacro -%}

{#- CTEs up to `looks`: one row per look at an object, with its typed columns, `is_record`, `step`, `known_at` and `load_id`.

    `kept` names columns that an event's snapshot cuts short or leaves out: of them the newest list record's value is kept
    beside, as `record_<name>`, where the newest content is an event's. -#}
{%- macro typed_looks(object_type, records, events, columns, kept=[]) -%}
{%- set names = column_names(columns) -%}
opened_events as (
    select
        {{ step_of_event('event_type') }} as step,
        occurred_at as known_at,
        load_id,
        {{ opened('object_json', columns) }}
    from {{ events }}
    where
        object_type = '{{ object_type }}'
        {%- if is_incremental() %}
        and load_id > {{ loaded_through() }}
        {%- endif %}
),

all_looks as (
    select
        {{ names | join(',\n        ') }},
        true as is_record,
        9 as step,
        extracted_at as known_at,
        load_id
    from {{ records }}
    where
        not is_tombstone
        {%- if is_incremental() %}
        and load_id > {{ loaded_through() }}
        {%- endif %}
    union all
    select
        {{- columns }},
        false as is_record,
        step,
        known_at,
        load_id
    from opened_events
),

looks as (
    select
        *
        {%- if kept %},
        {%- for name in kept %}
        cast(null as string) as record_{{ name }},
        {%- endfor %}
        cast(null as timestamp) as record_known_at
        {%- endif %}
    from all_looks
    where {{ of_our_mode() }} and object_id is not null
)
{%- endmacro -%}

{#- A post-hook: of the objects that stand there more than once the newest look remains. -#}
{%- macro settle_newest(columns, kept=[], key='object_id') -%}
{{ return(adapter.dispatch('settle_newest', 'warehouse')(columns, kept, key)) }}
{%- endmacro -%}

{%- macro default__settle_newest(columns, kept, key) -%}
{%- set this_model = '{{ this }}' -%}
{%- set settled = '{{ this.identifier }}__settled' -%}
{%- set content = md5_id(columns) -%}
commit;
begin transaction;

create or replace temp table {{ settled }} as
with looks as (
    select
        *,
        {{ content }} as content_hash
    from {{ this_model }}
    where {{ key }} in (select {{ key }} from {{ this_model }} group by {{ key }} having count(*) > 1)
),

{%- if kept %}
newest_records as (
    select
        {{ key }},
        {%- for name in kept %}
        case when is_record then {{ name }} else record_{{ name }} end as {{ name }},
        {%- endfor %}
        case when is_record then known_at else record_known_at end as known_at
    from looks
    qualify row_number() over (
        partition by {{ key }} order by case when is_record then known_at else record_known_at end desc nulls last, content_hash desc
    ) = 1
),

{% endif -%}
newest as (
    select
        *,
        max(load_id) over (partition by {{ key }}) as last_load_id,
        row_number() over (partition by {{ key }} order by known_at desc, step desc, content_hash desc) as newness
    from looks
)

select
    newest.* exclude (content_hash, newness, last_load_id)
    replace (
        newest.last_load_id as load_id
        {%- for name in kept %},
        case when not newest.is_record then newest_records.{{ name }} end as record_{{ name }}
        {%- endfor %}
        {%- if kept %},
        case when not newest.is_record then newest_records.known_at end as record_known_at
        {%- endif %}
    )
from newest
{%- if kept %}
left join newest_records
    on newest.{{ key }} = newest_records.{{ key }}
{%- endif %}
where newest.newness = 1;

delete from {{ this_model }}
where {{ key }} in (select {{ key }} from {{ settled }});

insert into {{ this_model }}
select * from {{ settled }};

drop table {{ settled }}
{%- endmacro -%}
{#- The table is written anew: a plain Parquet table can't lose rows. -#}
{%- macro spark__settle_newest(columns, kept, key) -%}
{{ return("{{ spark_settled_newest(" ~ (columns | tojson) ~ ", " ~ (kept | tojson) ~ ", '" ~ key ~ "') }}") }}
{%- endmacro -%}

{%- macro spark_settled_newest(columns, kept, key) -%}
{{ spark_written_anew(this, settled_newest(columns, kept, key)) }}
{%- endmacro -%}

{#- This table as it is once settled, as a select. -#}
{%- macro settled_newest(columns, kept, key) -%}
{%- set all = adapter.get_columns_in_relation(this) | map(attribute='name') | map('lower') | list -%}
with looks as (
    select
        *,
        {{ md5_id(columns) }} as content_hash
    from {{ this }}
),

ranked as (
    select
        *,
        max(load_id) over (partition by {{ key }}) as last_load_id,
        {%- for name in kept + ['known_at'] if kept %}
        first_value(case when is_record then {{ name }} else record_{{ name }} end) over (
            partition by {{ key }}
            order by case when is_record then known_at else record_known_at end desc nulls last, content_hash desc
        ) as newest_{{ name }},
        {%- endfor %}
        row_number() over (partition by {{ key }} order by known_at desc, step desc, content_hash desc) as newness
    from looks
)

select
    {%- for name in all %}
    {%- if name == 'load_id' %}
    last_load_id as load_id
    {%- elif kept and name.startswith('record_') and name[7:] in kept + ['known_at'] %}
    case when not is_record then newest_{{ name[7:] }} end as {{ name }}
    {%- else %}
    {{ name }}
    {%- endif %}{{ ',' if not loop.last }}
    {%- endfor %}
from ranked
where newness = 1
{%- endmacro -%}

{#- A post-hook: of copies of one thing, landed more than once, the one with the smallest content remains. -#}
{%- macro settle_copies(key, columns) -%}
{{ return(adapter.dispatch('settle_copies', 'warehouse')(key, columns)) }}
{%- endmacro -%}

{%- macro default__settle_copies(key, columns) -%}
{%- set this_model = '{{ this }}' -%}
{%- set settled = '{{ this.identifier }}__settled' -%}
commit;
begin transaction;

create or replace temp table {{ settled }} as
select * replace (max(load_id) over (partition by {{ key }}) as load_id)
from {{ this_model }}
where {{ key }} in (select {{ key }} from {{ this_model }} group by {{ key }} having count(*) > 1)
qualify row_number() over (partition by {{ key }} order by {{ md5_id(columns) }}) = 1;

delete from {{ this_model }}
where {{ key }} in (select {{ key }} from {{ settled }});

insert into {{ this_model }}
select * from {{ settled }};

drop table {{ settled }}
{%- endmacro -%}
{#- The table is written anew: a plain Parquet table can't lose rows. -#}
{%- macro spark__settle_copies(key, columns) -%}
{{ return("{{ spark_settled_copies('" ~ key ~ "', " ~ (columns | tojson) ~ ") }}") }}
{%- endmacro -%}

{%- macro spark_settled_copies(key, columns) -%}
{{ spark_written_anew(this, settled_copies(key, columns)) }}
{%- endmacro -%}

{%- macro settled_copies(key, columns) -%}
{%- set all = adapter.get_columns_in_relation(this) | map(attribute='name') | map('lower') | list -%}
select
    {%- for name in all %}
    {{ 'last_load_id as load_id' if name == 'load_id' else name }}{{ ',' if not loop.last }}
    {%- endfor %}
from (
    select
        *,
        max(load_id) over (partition by {{ key }}) as last_load_id,
        row_number() over (partition by {{ key }} order by {{ md5_id(columns) }}) as place
    from {{ this }}
) as copies
where place = 1
{%- endmacro -%}
