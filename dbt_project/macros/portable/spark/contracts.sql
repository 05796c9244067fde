{# Contracts on Spark: types stand in yml as all engines write them, but for maps. #}
{% macro spark__get_empty_schema_sql(columns) -%}
    select
    {%- for name in columns %}
        cast(null as {{ spark_type(columns[name]['data_type']) }}) as {{ name }}{{ ',' if not loop.last }}
    {%- endfor %}
{%- endmacro %}

{% macro spark_type(data_type) -%}
    {{ return(data_type | replace('map(integer, bigint)', 'map<int, bigint>')) }}
{%- endmacro %}
