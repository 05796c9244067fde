{# `calls as {{ read_anew() }} (...)`: a CTE that is computed for each of its readers, each of which needs few of its columns or rows.
   DuckDB keeps the rows of any other that is read twice, in memory and then on disk; Spark keeps none. #}
{% macro read_anew() -%}
    {{ return(adapter.dispatch('read_anew', 'warehouse')()) }}
{%- endmacro %}

{% macro duckdb__read_anew() -%}
    not materialized
{%- endmacro %}

{% macro spark__read_anew() -%}
{%- endmacro %}

{# How tables are stored. A model with wide texts (JSON kept for later models) names their columns: wide_text=['object_json'].
   DuckDB's own choice for them costs three times the CPU of zstd, and made a warehouse of 100,000 subscriptions half as large again; other engines
   compress whole files. #}
{% macro duckdb__create_table_as(temporary, relation, compiled_code, language='sql', partitioned_by=none, sorted_by=none) -%}
    {%- set wide = config.get('wide_text', []) -%}
    {%- if temporary or not wide -%}
    {{ dbt.duckdb__create_table_as(temporary, relation, compiled_code, language, partitioned_by=partitioned_by, sorted_by=sorted_by) }}
    {%- else -%}
    create table {{ relation }} (
        {%- for column in get_column_schema_from_query(compiled_code) %}
        {{ adapter.quote(column.name) }} {{ column.dtype }}{{ ' using compression zstd' if column.name in wide }}{{ ',' if not loop.last }}
        {%- endfor %}
    );

    insert into {{ relation }}
    {{ compiled_code }}
    {%- endif -%}
{%- endmacro %}

{# Before anything runs: make what landed readable, where it is not already. #}
{% macro open_lake() -%}
    {{ return(adapter.dispatch('open_lake', 'warehouse')()) }}
{%- endmacro %}

{% macro default__open_lake() -%}
{%- endmacro %}
