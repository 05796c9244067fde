{# Incremental by content: a model computes anew the keys of which anything has changed, whatever it was (a late event, a plan's
   name, a corrected rate). A model is configured with
   materialized='incremental', incremental_strategy='replace_changed', unique_key=<its key column>,
   fingerprints=<a model of key and fingerprint>, post_hook=take_in(<that model>); with by_month=true it has columns `month` and
   `is_complete`, and computes the months that were not over for every key. #}
{% macro get_incremental_replace_changed_sql(arg_dict) %}
    {%- set key = arg_dict['unique_key'] -%}
    {%- set changed -%}
    {{ key }} in ({{ changed_keys(config.require('fingerprints'), key) }})
    {%- if config.get('by_month') %}
    or month >= {{ first_open_month() }}
    {%- else %}
    -- a model may know of more that has changed: a key that was selected was selected whole
    or {{ key }} in (select {{ key }} from {{ arg_dict['temp_relation'] }})
    {%- endif %}
    {%- endset -%}
    {{ return(replace_where(arg_dict, changed)) }}
{% endmacro %}

{# The keys whose fingerprint is not the one that this model has taken in, as a select; vanished ones too. #}
{% macro changed_keys(fingerprints, key) -%}
    {%- set taken_in = fingerprints_taken_in() -%}
    {%- if load_relation(taken_in) is none -%}
    select {{ key }} from {{ ref(fingerprints) }}
    {%- else -%}
    select coalesce(now.{{ key }}, before.{{ key }}) as {{ key }}
    from {{ ref(fingerprints) }} as now
    full outer join {{ taken_in }} as before
        on now.{{ key }} = before.{{ key }}
    where now.fingerprint is distinct from before.fingerprint
    {%- endif -%}
{%- endmacro %}

{# The first month of which this model's rows may still change by time alone. #}
{% macro first_open_month() -%}
    (
        select coalesce(min(case when not is_complete then month end), {{ next_month('max(month)') }}, cast('1900-01-01' as date))
        from {{ this }}
    )
{%- endmacro %}

{# A post-hook: keep the fingerprints that the model's rows now stand for, in the same transaction. #}
{% macro take_in(fingerprints) -%}
    {{ return("{{ keep_fingerprints('" ~ fingerprints ~ "') }}") }}
{%- endmacro %}

{% macro keep_fingerprints(fingerprints) -%}
    {{ return(adapter.dispatch('keep_fingerprints', 'warehouse')(fingerprints)) }}
{%- endmacro %}

{% macro duckdb__keep_fingerprints(fingerprints) -%}
    create or replace table {{ fingerprints_taken_in() }} as
    select * from {{ ref(fingerprints) }}
{%- endmacro %}

{# Where it dies in between, nothing is known to be taken in, and everything is computed anew. #}
{% macro spark__keep_fingerprints(fingerprints) -%}
    {%- do run_query('drop table if exists ' ~ fingerprints_taken_in()) %}
    create table {{ fingerprints_taken_in() }} {{ file_format_clause() }} as
    select * from {{ ref(fingerprints) }}
{%- endmacro %}

{% macro fingerprints_taken_in() -%}
    {{ return(api.Relation.create(database=this.database, schema='silver', identifier=this.identifier ~ '__taken_in', type='table')) }}
{%- endmacro %}

{# A row's part of its key's fingerprint: these add up, in any order. #}
{% macro row_print(columns) -%}
    {{ return(adapter.dispatch('row_print', 'warehouse')(columns)) }}
{%- endmacro %}

{% macro duckdb__row_print(columns) -%}
    cast(hash({{ columns | join(', ') }}) as hugeint)
{%- endmacro %}

{# It passes over NULL: without their numbers, a value that moves from a column to its neighbour would not be seen. #}
{% macro spark__row_print(columns) -%}
    cast(xxhash64({% for column in columns %}{{ loop.index }}, {{ column }}{{ ', ' if not loop.last }}{% endfor %}) as decimal(38, 0))
{%- endmacro %}
