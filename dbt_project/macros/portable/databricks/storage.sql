{# Writing on Databricks, where all tables are Delta's. What is not said here is Spark's. #}

{% macro databricks__replace_where(arg_dict, gone, taken) %}
    {{ delete_then_insert(arg_dict, gone, taken) }}
{% endmacro %}

{% macro databricks__rebuild_days(arg_dict) %}
    {{ replace_where(arg_dict, rebuilt_days(arg_dict), arg_dict['unique_key'] ~ ' is not null') }}
{% endmacro %}

{% macro databricks__delete_rows(condition) -%}
    {{ return('delete from {{ this }} where ' ~ condition) }}
{%- endmacro %}

{% macro databricks__keep_fingerprints(fingerprints) -%}
    create or replace table {{ fingerprints_taken_in() }} as
    select * from {{ ref(fingerprints) }}
{%- endmacro %}

{# One statement, and so all or nothing. #}
{% macro databricks__settle_newest(columns, kept, key) -%}
    {{ return("create or replace table {{ this }} as {{ settled_newest(" ~ (columns | tojson) ~ ", " ~ (kept | tojson) ~ ", '" ~ key ~ "') }}") }}
{%- endmacro %}

{% macro databricks__settle_copies(key, columns) -%}
    {{ return("create or replace table {{ this }} as {{ settled_copies('" ~ key ~ "', " ~ (columns | tojson) ~ ") }}") }}
{%- endmacro %}
