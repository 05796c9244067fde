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

{#- A select of one row per whole number of a range, both ends included: the relation's columns and the number under a name; none where the
    last one is less. -#}
{%- macro each_number(relation, name, first, last) -%}{{ return(adapter.dispatch('each_number', 'warehouse')(relation, name, first, last)) }}{%- endmacro -%}
{%- macro default__each_number(relation, name, first, last) -%}
    select
        *,
        unnest(range(cast({{ first }} as bigint), cast({{ last }} as bigint) + 1)) as {{ name }}
    from {{ relation }}
{%- endmacro -%}
{%- macro spark__each_number(relation, name, first, last) -%}
    select
        *,
        explode(case when {{ last }} >= {{ first }} then sequence({{ first }}, {{ last }}) else array() end) as {{ name }}
    from {{ relation }}
{%- endmacro -%}
