{# Lists and counts within a row on ClickHouse. Arrays are never NULL: one that is absent is empty. #}

{% macro clickhouse__each_of_list(relation, columns, list, name) -%}
    select {{ (columns + [name]) | join(', ') }} from {{ relation }} array join {{ list }} as {{ name }}
{%- endmacro %}

{% macro clickhouse__no_days() -%}
    cast([] as Array(Date32))
{%- endmacro %}

{% macro clickhouse__sorted_list(value) -%}
    arraySort(groupArray(toDate32({{ value }})))
{%- endmacro %}

{% macro clickhouse__histogram(value) -%}
    cast(sumMap(map(toInt32(assumeNotNull({{ value }})), toInt64(1))) as Map(Int32, Int64))
{%- endmacro %}

{% macro clickhouse__histogram_rows(relation, columns) -%}
    select {{ columns | join(', ') }}, bucket, calls from {{ relation }}
    array join mapKeys(latency_histogram) as bucket, mapValues(latency_histogram) as calls
{%- endmacro %}

{% macro clickhouse__each_number(relation, name, first, last) -%}
    select
        *,
        {{ name }}
    from {{ relation }}
    array join range(toInt64({{ first }}), ifNull(toInt64({{ last }}), -1) + 1) as {{ name }}
{%- endmacro %}

{% macro clickhouse__joined_text(value, delimiter, order_by) -%}
    arrayStringConcat(
        arrayMap(pair -> pair.2, arraySort(groupArrayIf(({{ order_by }}, assumeNotNull({{ value }})), {{ value }} is not null))), '{{ delimiter }}'
    )
{%- endmacro %}

{% macro clickhouse__joined_parts(delimiter, parts) -%}
    arrayStringConcat(
        arrayMap(part -> assumeNotNull(part), arrayFilter(part -> part is not null, [
            {%- for part in parts %}cast({{ part }} as Nullable(String)){{ ', ' if not loop.last }}{% endfor -%}
        ])),
        '{{ delimiter }}'
    )
{%- endmacro %}
