{# The project's own generic tests: dbt's packages can't be installed offline. #}

{# Whether the whole table is to be looked at: on a full refresh, once a week (Sundays), or by the variable. #}
{% macro looks_at_all_days() -%}
    {%- set today = modules.datetime.datetime.strptime(warehouse_now()[:10], '%Y-%m-%d') -%}
    {{ return(var('test_loads') < 0 or flags.FULL_REFRESH or today.isoweekday() == 7) }}
{%- endmacro %}

{# Rows of the days that the last loads touched: a big table is not read as a whole each day. #}
{% macro on_touched_days(model, load_column) -%}
    {{ 'true' if looks_at_all_days() else on_days_of_last_loads(model, load_column) }}
{%- endmacro %}

{# None of these columns is ever NULL. One test a model: with one a column, as dbt's own not_null is, dbt's work for each of the
   hundreds of tests cost more than all the queries. Asked for NULLs, an engine reads no block that has none. #}
{% test never_null(model, columns) %}
select
    column_name,
    null_count
from (
    {% for column in columns %}
    select '{{ column }}' as column_name, count(*) as null_count from {{ model }} where {{ column }} is null
    {{ "union all" if not loop.last }}
    {% endfor %}
) as counted
where null_count > 0
{% endtest %}

{# Only keys whose hash is there twice are compared: all keys of a hundred million rows don't fit into memory. #}
{% test unique_on_touched_days(model, column_name, load_column='load_id') %}
{%- set looked_at = column_name ~ ' is not null and ' ~ on_touched_days(model, load_column) %}
select {{ column_name }}
from {{ model }}
where
    {{ looked_at }}
    and {{ key_hash(column_name) }} in (
        select {{ key_hash(column_name) }} from {{ model }}
        where {{ looked_at }}
        group by {{ key_hash(column_name) }}
        having count(*) > 1
    )
group by {{ column_name }}
having count(*) > 1
{% endtest %}

{% test relationships_on_touched_days(model, column_name, to, field, load_column='load_id') %}
select distinct {{ column_name }}
from {{ model }}
where
    {{ column_name }} is not null
    and {{ on_touched_days(model, load_column) }}
    and {{ column_name }} not in (select {{ field }} from {{ to }} where {{ field }} is not null)
{% endtest %}

{# No two rows share these columns. #}
{% test unique_combination(model, columns) %}
select {{ columns | join(', ') }}
from {{ model }}
group by {{ columns | join(', ') }}
having count(*) > 1
{% endtest %}

{# Every row fulfils an expression; NULL counts as a failure. #}
{% test always_true(model, expression) %}
select *
from {{ model }}
where not coalesce({{ expression }}, false)
{% endtest %}

{# Intervals [valid_from, valid_to) of each key are contiguous, of positive length, and the last one is open. #}
{% test contiguous_history(model, key) %}
select {{ key }}, valid_from, valid_to
from (
    select
        {{ key }},
        valid_from,
        valid_to,
        lead(valid_from) over (partition by {{ key }} order by valid_from) as next_from
    from {{ model }}
) as history
where valid_to is distinct from next_from or valid_to <= valid_from
{% endtest %}
