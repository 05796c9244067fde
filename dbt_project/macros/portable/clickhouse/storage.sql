{# Writing on ClickHouse: MergeTree without a key, types under ClickHouse's own names, no transactions. #}

{% macro clickhouse__read_anew() -%}
{%- endmacro %}

{# A model's SQL as ClickHouse takes it. Names of types are case-sensitive, and TIMESTAMP would be whole seconds up to 2106. A column of a table
   that shares its name with another table's would keep the table in its name: one that stands alone on its line is given its own. #}
{% macro clickhouse_sql(sql) -%}
    {%- set named = namespace(sql=modules.re.sub('(?m)^( {4,12})(\\w+)[.](\\w+)(,?)$', '\\1\\2.\\3 as \\3\\4', sql)) -%}
    {%- for name, own in {'string': 'String', 'timestamp': 'DateTime64(6)', 'date': 'Date32'}.items() -%}
        {%- set named.sql = modules.re.sub('\\bas ' ~ name ~ '\\)', 'as ' ~ own ~ ')', named.sql) -%}
    {%- endfor -%}
    {{ return(named.sql) }}
{%- endmacro %}

{% macro clickhouse__create_view_as(relation, sql) -%}
    create or replace view {{ relation }} as (
        {{ clickhouse_sql(sql) }}
    )
{%- endmacro %}

{% macro clickhouse__create_table_as(temporary, relation, sql) -%}
    {%- if config.get('contract').enforced and not temporary -%}
        {{ get_assert_columns_equivalent(clickhouse_sql(sql)) }}
    {%- endif -%}
    create or replace table {{ relation }}
    engine = MergeTree order by tuple()
    as (
        {{ clickhouse_sql(sql) }}
    )
{%- endmacro %}

{# The contract's names; its types are another engine's. #}
{% macro clickhouse__get_assert_columns_equivalent(sql) -%}
    {%- set given = get_columns_in_query(sql) | sort -%}
    {%- set promised = model['columns'].keys() | sort -%}
    {%- if given != promised -%}
        {{ exceptions.raise_compiler_error('columns are ' ~ given | join(', ') ~ ', the contract has ' ~ promised | join(', ')) }}
    {%- endif -%}
{%- endmacro %}

{# md5 is MD5, and gives bytes; functions of the database are the same for all models. #}
{% macro clickhouse__open_lake() -%}
    {%- if execute and flags.WHICH in ['build', 'run', 'test', 'seed'] %}
        {%- do run_query('create or replace function md5 as text -> lower(hex(MD5(text)))') %}
        {%- do run_query('create or replace function split_part as (text, delimiter, place) -> splitByString(delimiter, text)[place]') %}
    {%- endif %}
{%- endmacro %}

{% macro clickhouse__keep_fingerprints(fingerprints) -%}
    create or replace table {{ fingerprints_taken_in() }} engine = MergeTree order by tuple() as
    select * from {{ ref(fingerprints) }}
{%- endmacro %}

{% macro clickhouse__settle_newest(columns, kept, key) -%}
    {{ return("{{ clickhouse_written_anew(settled_newest(" ~ (columns | tojson) ~ ", " ~ (kept | tojson) ~ ", '" ~ key ~ "')) }}") }}
{%- endmacro %}

{% macro clickhouse__settle_copies(key, columns) -%}
    {{ return("{{ clickhouse_written_anew(settled_copies('" ~ key ~ "', " ~ (columns | tojson) ~ ")) }}") }}
{%- endmacro %}

{# The table takes its name when it is whole. #}
{% macro clickhouse_written_anew(query) -%}
    create or replace table {{ this }} engine = MergeTree order by tuple() as
    {{ clickhouse_sql(query) }}
{%- endmacro %}
