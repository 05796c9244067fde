{# JSON that is kept as text. Each function is dispatched, so that a model names no engine's own function. #}

{# Text of one scalar: json_text('_raw', 'plan.id'); a missing key and a JSON null are both NULL. #}
{% macro json_text(column, path) -%}
    {{ return(adapter.dispatch('json_text', 'warehouse')(column, path)) }}
{%- endmacro %}

{% macro duckdb__json_text(column, path) -%}
    ({{ column }} ->> '$.{{ path }}')
{%- endmacro %}

{% macro spark__json_text(column, path) -%}
    get_json_object({{ column }}, '$.{{ path }}')
{%- endmacro %}

{# Many scalars of one object as a struct of texts, parsed once: a third of the cost of one call per field. #}
{% macro json_fields(column, fields) -%}
    {{ return(adapter.dispatch('json_fields', 'warehouse')(column, fields)) }}
{%- endmacro %}

{% macro duckdb__json_fields(column, fields) -%}
    from_json({{ column }}, '{ {%- for field in fields %}"{{ field }}": "VARCHAR"{{ ", " if not loop.last }}{% endfor -%} }')
{%- endmacro %}

{% macro spark__json_fields(column, fields) -%}
    from_json({{ column }}, '{% for field in fields %}`{{ field }}` string{{ ", " if not loop.last }}{% endfor %}')
{%- endmacro %}

{# Text (JSON) of an object or array within: json_object('_raw', 'items.data'). #}
{% macro json_object(column, path) -%}
    {{ return(adapter.dispatch('json_object', 'warehouse')(column, path)) }}
{%- endmacro %}

{% macro duckdb__json_object(column, path) -%}
    cast(nullif(json_extract({{ column }}, '$.{{ path }}'), 'null') as varchar)
{%- endmacro %}

{% macro spark__json_object(column, path) -%}
    get_json_object({{ column }}, '$.{{ path }}')
{%- endmacro %}

{# The elements of an array as a list of JSON texts: an empty list where there is none. #}
{% macro json_elements(column, path=none) -%}
    {{ return(adapter.dispatch('json_elements', 'warehouse')(column, path)) }}
{%- endmacro %}

{% macro duckdb__json_elements(column, path) -%}
    coalesce(cast(json_extract({{ column }}, '${{ "." ~ path if path else "" }}[*]') as varchar[]), [])
{%- endmacro %}

{% macro spark__json_elements(column, path) -%}
    coalesce(from_json({{ "get_json_object(" ~ column ~ ", '$." ~ path ~ "')" if path else column }}, 'array<string>'), array())
{%- endmacro %}

{# Rows of a list, to be joined laterally: `from t cross join {{ unnest_list('t.items', 'item') }}` gives item.value.
   Empty lists give no row. `item.position` counts from 1. #}
{% macro unnest_list(column, alias) -%}
    {{ return(adapter.dispatch('unnest_list', 'warehouse')(column, alias)) }}
{%- endmacro %}

{% macro duckdb__unnest_list(column, alias) -%}
    (
        select
            unnest({{ column }}) as value,
            generate_subscripts({{ column }}, 1) as position
    ) as {{ alias }}
{%- endmacro %}

{% macro spark__unnest_list(column, alias) -%}
    lateral (select pos + 1 as position, col as value from posexplode({{ column }})) as {{ alias }}
{%- endmacro %}
