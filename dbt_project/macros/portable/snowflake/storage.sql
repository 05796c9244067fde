{# Writing on Snowflake. Each statement is a transaction of its own, unless they are put into one. #}

{% macro snowflake__read_anew() -%}
{%- endmacro %}

{% macro snowflake__replace_where(arg_dict, gone, taken) %}
    {{ snowflake_dml_explicit_transaction(default__replace_where(arg_dict, gone, taken)) }}
{% endmacro %}

{# Snowflake puts rows in an order of its own. #}
{% macro snowflake__rebuild_days(arg_dict) %}
    {{ replace_where(arg_dict, rebuilt_days(arg_dict), arg_dict['unique_key'] ~ ' is not null') }}
{% endmacro %}

{% macro snowflake__keep_fingerprints(fingerprints) -%}
    create or replace table {{ fingerprints_taken_in() }} as
    select * from {{ ref(fingerprints) }}
{%- endmacro %}

{# One statement, and so all or nothing. #}
{% macro snowflake__settle_newest(columns, kept, key) -%}
    {{ return("create or replace table {{ this }} as {{ settled_newest(" ~ (columns | tojson) ~ ", " ~ (kept | tojson) ~ ", '" ~ key ~ "') }}") }}
{%- endmacro %}

{% macro snowflake__settle_copies(key, columns) -%}
    {{ return("create or replace table {{ this }} as {{ settled_copies('" ~ key ~ "', " ~ (columns | tojson) ~ ") }}") }}
{%- endmacro %}

{# What a strategy reads twice is a table; an ordinary name, as its emulator has no temporary ones in a schema. #}
{% macro dbt_snowflake_get_tmp_relation_type(strategy, unique_key, language) -%}
    {{ return('transient') }}
{%- endmacro %}
