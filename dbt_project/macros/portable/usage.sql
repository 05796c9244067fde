{# Days of API calls that changed since a model took in its last load: days of newly delivered calls, days that lost a
   call because it was sent again under another day, and days of calls that a file no longer says. #}
{% macro changed_usage_days(since) -%}
    select date_partition
    from {{ ref('int_api_calls') }}
    where load_id > {{ since }}
    union
    {{ each_of_list('(select * from ' ~ ref('int_api_calls') ~ ' where load_id > ' ~ since ~ ') as calls', [], 'also_seen_on', 'date_partition') }}
    union
    select date_partition
    from {{ ref('int_removed_api_calls') }}
    where load_id > {{ since }}
{%- endmacro %}

{# Rows that name days without any row left, so that the strategy rebuild_days deletes them. #}
{% macro emptied_days(days, rows, columns) -%}
    select
        {%- for column in columns %}
        {{ 'date_partition' if column == 'date_partition' else 'null' }} as {{ column }}{{ ',' if not loop.last }}
        {%- endfor %}
    from {{ days }}
    where date_partition not in (select date_partition from {{ rows }})
{%- endmacro %}

{# Rows of the days of which the last loads (`test_loads` of them) brought any. #}
{% macro on_days_of_last_loads(model, load_column) -%}
    {{ return(adapter.dispatch('on_days_of_last_loads', 'warehouse')(model, load_column)) }}
{%- endmacro %}

{% macro default__on_days_of_last_loads(model, load_column) -%}
    date_partition in (
        select date_partition from {{ model }}
        where {{ load_column }} > (select max({{ load_column }}) - {{ var('test_loads') }} from {{ model }})
    )
{%- endmacro %}

{# 2xx, 3xx, 4xx or 5xx. #}
{% macro status_class(response_code) -%}
    cast({{ whole_quotient(response_code, 100) }} as {{ dbt.type_string() }}) || 'xx'
{%- endmacro %}
