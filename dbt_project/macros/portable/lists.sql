{# Lists within a row. #}

{# One row per element, as a select expression; empty and NULL lists give none. #}
{% macro explode_list(column) -%}
    {{ return(adapter.dispatch('explode_list', 'warehouse')(column)) }}
{%- endmacro %}

{% macro duckdb__explode_list(column) -%}
    unnest({{ column }})
{%- endmacro %}

{% macro spark__explode_list(column) -%}
    explode({{ column }})
{%- endmacro %}

{# NULL as a list of days. #}
{% macro no_days() -%}
    {{ return(adapter.dispatch('no_days', 'warehouse')()) }}
{%- endmacro %}

{% macro duckdb__no_days() -%}
    cast(null as date[])
{%- endmacro %}

{% macro spark__no_days() -%}
    cast(null as array<date>)
{%- endmacro %}
