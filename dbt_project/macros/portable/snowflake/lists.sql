{# Lists and counts within a row on Snowflake: arrays of VARIANT. #}

{% macro snowflake__each_of_list(relation, columns, list, name) -%}
    select
        {% for column in columns %}{{ column }}, {% endfor %}
        elements.value::date as {{ name }}
    from {{ relation }}, lateral flatten(input => {{ list }}) as elements
{%- endmacro %}

{% macro snowflake__no_days() -%}
    cast(null as array)
{%- endmacro %}

{% macro snowflake__sorted_list(value) -%}
    array_agg({{ value }}) within group (order by {{ value }})
{%- endmacro %}

{# A list of the values themselves: an aggregate that counts them by value is missing, and a list adds up over rows as well. #}
{% macro snowflake__histogram(value) -%}
    array_agg({{ value }})
{%- endmacro %}

{% macro snowflake__histogram_rows(relation, columns) -%}
    select
        {% for column in columns %}{{ column }}, {% endfor %}
        buckets.value::integer as bucket,
        1 as calls
    from {{ relation }}, lateral flatten(input => latency_histogram) as buckets
{%- endmacro %}

{% macro snowflake__each_number(relation, name, first, last) -%}
    select
        numbered.*,
        numbers.value::integer as {{ name }}
    from (select *, array_generate_range({{ first }}, ({{ last }}) + 1) as range_of_numbers from {{ relation }}) as numbered,
        lateral flatten(input => numbered.range_of_numbers) as numbers
{%- endmacro %}

{% macro snowflake__joined_text(value, delimiter, order_by) -%}
    listagg({{ value }}, '{{ delimiter }}') within group (order by {{ order_by }})
{%- endmacro %}
