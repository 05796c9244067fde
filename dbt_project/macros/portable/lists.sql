{# Lists within a row. #}

{# A select of one row per element of a list: the named columns and the element under a name. Empty and NULL lists give none. #}
{% macro each_of_list(relation, columns, list, name) -%}
    {{ return(adapter.dispatch('each_of_list', 'warehouse')(relation, columns, list, name)) }}
{%- endmacro %}

{% macro duckdb__each_of_list(relation, columns, list, name) -%}
    select {{ (columns + ['unnest(' ~ list ~ ') as ' ~ name]) | join(', ') }} from {{ relation }}
{%- endmacro %}

{% macro spark__each_of_list(relation, columns, list, name) -%}
    select {{ (columns + ['explode(' ~ list ~ ') as ' ~ name]) | join(', ') }} from {{ relation }}
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
