{# The name of a column that is a word of SQL: quoted as the engine writes plain names. #}
{% macro quoted(name) -%}
    {{ return(adapter.dispatch('quoted', 'warehouse')(name)) }}
{%- endmacro %}

{% macro default__quoted(name) -%}
    {{ return(adapter.quote(name)) }}
{%- endmacro %}

{% macro snowflake__quoted(name) -%}
    {{ return(adapter.quote(name | upper)) }}
{%- endmacro %}
