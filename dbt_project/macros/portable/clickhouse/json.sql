{# JSON on ClickHouse: JSONExtract reads a path key by key, array positions count from 1. #}

{% macro clickhouse__json_text(column, path) -%}
    JSONExtract(ifNull({{ column }}, ''), {{ clickhouse_path(path) }}, 'Nullable(String)')
{%- endmacro %}

{% macro clickhouse__json_fields(column, fields) -%}
    JSONExtract(ifNull({{ column }}, ''), 'Tuple({% for field in fields %}`{{ field }}` Nullable(String){{ ", " if not loop.last }}{% endfor %})')
{%- endmacro %}

{% macro clickhouse__json_object(column, path) -%}
    {{ clickhouse__json_text(column, path) }}
{%- endmacro %}

{% macro clickhouse__text_at_key(json, key) -%}
    if(
        position({{ key }}, '/') > 0,
        JSONExtract(ifNull({{ json }}, ''), splitByChar('/', {{ key }})[1], splitByChar('/', {{ key }})[2], 'Nullable(String)'),
        JSONExtract(ifNull({{ json }}, ''), {{ key }}, 'Nullable(String)')
    )
{%- endmacro %}

{% macro clickhouse__each_element(relation, columns, json, path) -%}
    select
        {% for column in columns %}{{ column }}, {% endfor %}
        element,
        position
    from {{ relation }}
    array join
        {{ clickhouse_texts(json, path) }} as element,
        arrayEnumerate({{ clickhouse_texts(json, path) }}) as position
{%- endmacro %}

{% macro clickhouse__each_key(relation, columns, json) -%}
    select
        {% for column in columns %}{{ column }}, {% endfor %}
        key
    from {{ relation }}
    array join JSONExtractKeys(ifNull({{ json }}, '')) as key
{%- endmacro %}

{% macro clickhouse__sum_below(json, path, field, where_field, where_value) -%}
    arraySum(arrayMap(
        one -> if(
            {% if where_field %}ifNull(JSONExtract(one, '{{ where_field }}', 'Nullable(String)'), '') = '{{ where_value }}' and {% endif -%}
            match(ifNull(JSONExtract(one, '{{ field }}', 'Nullable(String)'), ''), '^-?[0-9]{1,18}$'),
            toInt64OrZero(ifNull(JSONExtract(one, '{{ field }}', 'Nullable(String)'), '')),
            0
        ),
        {{ clickhouse_texts(json_below(json, path)) }}
    ))
{%- endmacro %}

{% macro clickhouse__ids_text(json, path) -%}
    if(
        JSONType(ifNull({{ json }}, ''){{ ', ' ~ clickhouse_path(path) if path }}) = 'Array',
        arrayStringConcat(arrayMap(
            one -> if(startsWith(one, '{'), JSONExtractString(one, 'id'), one), {{ clickhouse_texts(json, path) }}
        ), ','),
        null
    )
{%- endmacro %}

{% macro clickhouse__array_text_contains(json, text) -%}
    has({{ clickhouse_texts(json) }}, {{ text }})
{%- endmacro %}

{% macro clickhouse__items_text(json) -%}
    arrayStringConcat(arraySort(arrayMap(
        item -> {{ joined_parts(':', [
            text_at('item', 'id'),
            'coalesce(' ~ id_at('item', 'price') ~ ', ' ~ id_at('item', 'plan') ~ ')',
            'coalesce(' ~ text_at('item', 'quantity') ~ ", '')",
            ids_text('item', 'discounts'),
            ids_text('item', 'tax_rates'),
            text_at('item', 'current_trial.start_date'),
            text_at('item', 'current_trial.end_date'),
        ]) }},
        {{ clickhouse_texts(json) }}
    )), ';')
{%- endmacro %}

{# A null stays as a null: read as text it is as absent as a key that was taken away. #}
{% macro clickhouse__merged_json(json, patch) -%}
    JSONMergePatch(ifNull({{ json }}, '{}'), ifNull({{ patch }}, '{}'))
{%- endmacro %}

{# The elements of an array as texts: strings without their quotation marks, all else as JSON. #}
{% macro clickhouse_texts(json, path=none) -%}
    JSONExtract(ifNull({{ json }}, ''){{ ', ' ~ clickhouse_path(path) if path }}, 'Array(String)')
{%- endmacro %}

{# `plan.tiers[0].id` as arguments: 'plan', 'tiers', 1, 'id'. #}
{% macro clickhouse_path(path) -%}
    {%- set steps = [] -%}
    {%- for step in modules.re.findall('[^.\\[\\]]+', path) -%}
        {%- do steps.append(step | int + 1 if modules.re.match('^[0-9]+$', step) else "'" ~ step ~ "'") -%}
    {%- endfor -%}
    {{ return(steps | join(', ')) }}
{%- endmacro %}
