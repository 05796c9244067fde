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

{# A field of what `json_fields` gave, as text. #}
{% macro field(record, name) -%}
    {{ return(adapter.dispatch('field', 'warehouse')(record, name)) }}
{%- endmacro %}

{% macro default__field(record, name) -%}
    {{ record }}.{{ adapter.quote(name) }}
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
