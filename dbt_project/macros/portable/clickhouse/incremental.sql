{# Incremental models on ClickHouse: the adapter's own materialization takes no strategy of a project. A strategy's rows go and come in two
   statements: who dies in between leaves a table without them, and a full refresh makes it whole. #}
{% materialization incremental, adapter='clickhouse' %}
    {%- set existing = load_cached_relation(this) -%}
    {%- set target_relation = this.incorporate(type='table') -%}
    {{ run_hooks(pre_hooks) }}
    {%- if existing is none or existing.is_view or should_full_refresh() %}
        {%- if existing is not none and existing.is_view %}
            {%- do adapter.drop_relation(existing) %}
        {%- endif %}
        {%- call statement('main') %}
            {{ create_table_as(False, target_relation, compiled_code) }}
        {%- endcall %}
    {%- else %}
        {%- set fresh = make_temp_relation(target_relation, '__dbt_tmp') -%}
        {%- do run_query(clickhouse__create_table_as(True, fresh, compiled_code)) %}
        {%- set strategy = adapter.get_incremental_strategy_macro(context, config.require('incremental_strategy')) -%}
        {%- set said = {
            'target_relation': target_relation, 'temp_relation': fresh, 'unique_key': config.get('unique_key'), 'incremental_predicates': none,
            'dest_columns': adapter.get_columns_in_relation(target_relation),
        } -%}
        {%- call statement('main') %}
            {{ strategy(said) }}
        {%- endcall %}
        {%- do adapter.drop_relation(fresh) %}
    {%- endif %}
    {%- do persist_docs(target_relation, model) %}
    {{ run_hooks(post_hooks) }}
    {{ return({'relations': [target_relation]}) }}
{% endmaterialization %}

{% macro clickhouse__replace_where(arg_dict, gone, taken) %}
    {{ delete_then_insert(arg_dict, clickhouse_sql(gone), taken) }}
{% endmacro %}

{% macro clickhouse__rebuild_days(arg_dict) %}
    {{ replace_where(arg_dict, rebuilt_days(arg_dict), arg_dict['unique_key'] ~ ' is not null') }}
{% endmacro %}
