{# Contracts on Snowflake: types stand in yml as all engines write them, but for histograms (lists, see `histogram`). #}
{% macro snowflake__get_empty_schema_sql(columns) -%}
    {{ return(snowflake_types(default__get_empty_schema_sql(columns))) }}
{%- endmacro %}

{% macro snowflake__get_table_columns_and_constraints() -%}
    {{ return(snowflake_types(table_columns_and_constraints())) }}
{%- endmacro %}

{% macro snowflake_types(sql) -%}
    {{ return(sql | replace('map(integer, bigint)', 'array')) }}
{%- endmacro %}
