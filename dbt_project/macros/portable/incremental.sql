{# Incremental by load id, rebuilt by day. A model is configured with materialized='incremental',
   incremental_strategy='rebuild_days', unique_key=<its key column>
   and selects, for every day it was told of, all rows of that day. A day that has lost its last row is named by a row
   whose key is NULL: it is deleted, nothing is inserted for it. #}
{% macro get_incremental_rebuild_days_sql(arg_dict) %}
    {{ return(adapter.dispatch('rebuild_days', 'warehouse')(arg_dict)) }}
{% endmacro %}

{% macro default__rebuild_days(arg_dict) %}
    {{ replace_where(arg_dict, rebuilt_days(arg_dict), arg_dict['unique_key'] ~ ' is not null') }}
    order by date_partition
{% endmacro %}

{% macro rebuilt_days(arg_dict) -%}
    date_partition in (select date_partition from {{ arg_dict['temp_relation'] }})
{%- endmacro %}

{# What all strategies come to: rows of the target go, and those of dbt's temporary relation (all, or those `taken`) come. #}
{% macro replace_where(arg_dict, gone, taken=none) %}
    {{ return(adapter.dispatch('replace_where', 'warehouse')(arg_dict, gone, taken)) }}
{% endmacro %}

{% macro default__replace_where(arg_dict, gone, taken) %}
    delete from {{ arg_dict['target_relation'] }}
    where {{ gone }};

    {{ rows_put_in(arg_dict, taken) }}
{% endmacro %}

{% macro rows_put_in(arg_dict, taken) %}
    {%- set columns = get_quoted_csv(arg_dict['dest_columns'] | map(attribute='name')) -%}
    insert into {{ arg_dict['target_relation'] }} ({{ columns }})
    select {{ columns }}
    from {{ arg_dict['temp_relation'] }}
    {%- if taken %}
    where {{ taken }}
    {%- endif %}
{% endmacro %}

{# Where the two are two statements: the first is run, the second returned. #}
{% macro delete_then_insert(arg_dict, gone, taken) %}
    {%- do run_query('delete from ' ~ arg_dict['target_relation'] ~ ' where ' ~ gone) %}
    {{ rows_put_in(arg_dict, taken) }}
{% endmacro %}

{# The highest load that a model has taken in; -1 where it is empty. #}
{% macro loaded_through(relation=none, column='load_id') -%}
    (select coalesce(max({{ column }}), -1) from {{ relation or this }})
{%- endmacro %}

{# Incremental by key: rows of the keys that were selected take the place of those that stand there. A model is configured with
   materialized='incremental', incremental_strategy='replace_rows', unique_key=<its key column, or several>. #}
{% macro get_incremental_replace_rows_sql(arg_dict) %}
    {%- set key = arg_dict['unique_key'] if arg_dict['unique_key'] is string else arg_dict['unique_key'] | join(', ') -%}
    {{ return(replace_where(arg_dict, '(' ~ key ~ ') in (select ' ~ key ~ ' from ' ~ arg_dict['temp_relation'] ~ ')')) }}
{% endmacro %}

{# Incremental by key where all that is known of a key is computed anew once a load has told anything about it. A model is configured with
   materialized='incremental', incremental_strategy='replace_touched', unique_key=<its key column>, touched_by=<the model that
   has the key and its newest load_id>; it selects `touched(<that model>)` and carries the load_id along. All rows of these keys go, also where
   none takes their place. #}
{% macro get_incremental_replace_touched_sql(arg_dict) %}
    {%- set key = arg_dict['unique_key'] -%}
    {%- set touched -%}
    {{ key }} in (
        select {{ key }} from {{ ref(config.require('touched_by')) }}
        where load_id > {{ loaded_through(arg_dict['target_relation']) }}
    )
    {%- endset -%}
    {{ return(replace_where(arg_dict, touched)) }}
{% endmacro %}

{# The keys of which this model has not taken in the newest load, as a select. #}
{% macro touched(relation) -%}
    select * from {{ relation }}
    {%- if is_incremental() %}
    where load_id > {{ loaded_through() }}
    {%- endif %}
{%- endmacro %}

{# A post-hook: rows that only told the strategy what to take away. #}
{% macro delete_rows(condition) -%}
    {{ return(adapter.dispatch('delete_rows', 'warehouse')(condition)) }}
{%- endmacro %}

{% macro default__delete_rows(condition) -%}
    {{ return('delete from {{ this }} where ' ~ condition) }}
{%- endmacro %}

{% macro spark__delete_rows(condition) -%}
    {{ return('{{ spark_without(this, "' ~ condition ~ '") }}') }}
{%- endmacro %}
