{#- Tables to which looks at objects were appended: what was seen more than once is settled after (macros/billing/newest_objects.sql says why). -#}

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
