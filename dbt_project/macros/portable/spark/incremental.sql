{# Incremental models on Spark. A strategy says which rows go (`replace_where`) and dbt's temporary relation has those that come: a view where
   the strategy reads it once, or else a table, which is computed once.

   Tables of a format that can delete (`file_format`: delta, iceberg, hudi) lose rows and get others. Plain Parquet can't: a table that is
   partitioned by day has its days overwritten, any other is written anew beside itself and takes its own name; whoever dies in between leaves a
   table that is missing, and the next build makes it whole. #}
{% materialization incremental, adapter='spark' %}
    {%- set existing = load_relation(this) -%}
    {{ run_hooks(pre_hooks) }}
    {%- if existing is none or existing.is_view or should_full_refresh() %}
        {%- if existing is not none %}
            {%- do adapter.drop_relation(existing) %}
        {%- endif %}
        {%- call statement('main') %}
            {{ create_table_as(False, this, spark_staged(compiled_code)) }}
        {%- endcall %}
    {%- else %}
        {%- set is_read_once = config.require('incremental_strategy') in ['append', 'replace_touched'] -%}
        {%- set fresh = make_temp_relation(this, '__dbt_tmp') if is_read_once else spark_stage('fresh') -%}
        {%- if is_read_once %}
            {%- do run_query(create_temporary_view(fresh, spark_staged(compiled_code))) %}
        {%- else %}
            {%- do spark_table(fresh, spark_staged(compiled_code)) %}
        {%- endif %}
        {%- do process_schema_changes(incremental_validate_on_schema_change(config.get('on_schema_change'), default='fail'), fresh, existing) %}
        {%- set strategy = adapter.get_incremental_strategy_macro(context, config.require('incremental_strategy')) -%}
        {%- set said = {
            'target_relation': this, 'temp_relation': fresh, 'unique_key': config.get('unique_key'), 'incremental_predicates': none,
            'dest_columns': adapter.get_columns_in_relation(this),
        } -%}
        {%- call statement('main') %}
            {{ strategy(said) }}
        {%- endcall %}
        {%- if not is_read_once %}
            {%- do run_query('drop table ' ~ fresh) %}
        {%- endif %}
    {%- endif %}
    {%- do spark_unstage() %}
    {%- do persist_docs(this, model) %}
    {{ run_hooks(post_hooks) }}
    {{ return({'relations': [this]}) }}
{% endmaterialization %}

{% macro spark__replace_where(arg_dict, gone, taken) %}
    {%- if spark_can_delete() %}
        {{ delete_then_insert(arg_dict, gone, taken) }}
    {%- else %}
        {%- set columns = get_quoted_csv(arg_dict['dest_columns'] | map(attribute='name')) -%}
        {%- set fresh = 'select ' ~ columns ~ ' from ' ~ arg_dict['temp_relation'] ~ (' where ' ~ taken if taken else '') -%}
        {%- set target = arg_dict['target_relation'] -%}
        {{ spark_written_anew(target, 'select ' ~ columns ~ ' from ' ~ target ~ ' where not (' ~ gone ~ ') union all ' ~ fresh) }}
    {%- endif %}
{% endmacro %}

{# Days of which rows were selected are overwritten; those that have lost their last row are emptied first. #}
{% macro spark__rebuild_days(arg_dict) %}
    {%- set columns = get_quoted_csv(arg_dict['dest_columns'] | map(attribute='name')) -%}
    {%- set target = arg_dict['target_relation'] -%}
    {%- set key = arg_dict['unique_key'] -%}
    {%- if spark_can_delete() or not config.get('partition_by') %}
        {{ spark__replace_where(arg_dict, rebuilt_days(arg_dict), key ~ ' is not null') }}
    {%- else %}
        {%- set emptied = run_query('select date_partition from ' ~ arg_dict['temp_relation'] ~ ' group by date_partition having count(' ~ key ~ ') = 0') -%}
        {%- set others = get_quoted_csv(arg_dict['dest_columns'] | map(attribute='name') | reject('eq', 'date_partition')) -%}
        {%- for day in emptied.columns[0].values() %}
            {#- overwritten by nothing: dropping needs a catalog that keeps partitions #}
            {%- do run_query(
                'insert overwrite table ' ~ target ~ " partition (date_partition = '" ~ day ~ "') select " ~ others ~ ' from ' ~ arg_dict['temp_relation'] ~ ' where false'
            ) %}
        {%- endfor %}
        {%- do run_query('set spark.sql.sources.partitionOverwriteMode = dynamic') %}
        insert overwrite table {{ target }} partition (date_partition)
        select {{ columns }} from {{ arg_dict['temp_relation'] }} where {{ key }} is not null
    {%- endif %}
{% endmacro %}

{# Replace a table by a query that may read it; what is left to run is returned. #}
{% macro spark_written_anew(relation, query) -%}
    {%- set fresh = relation.incorporate(path={'identifier': relation.identifier ~ '__anew'}) -%}
    {%- do run_query('drop table if exists ' ~ fresh) %}
    {%- do run_query('create table ' ~ fresh ~ ' ' ~ file_format_clause() ~ ' ' ~ partition_cols(label='partitioned by') ~ ' as ' ~ query) %}
    {%- do run_query('drop table ' ~ relation) %}
    alter table {{ fresh }} rename to {{ relation }}
{%- endmacro %}

{# A table without some of its rows. A first build has none of them. #}
{% macro spark_without(relation, condition) -%}
    {%- if is_incremental() %}
        {{ spark_written_anew(relation, 'select * from ' ~ relation ~ ' where not (' ~ condition ~ ')') }}
    {%- endif %}
{%- endmacro %}

{% macro spark_can_delete() -%}
    {{ return(config.get('file_format') in ['delta', 'iceberg', 'hudi']) }}
{%- endmacro %}

{# dbt-spark's get_insert_into_sql has other arguments than the one that dbt calls here. #}
{% macro spark__get_incremental_append_sql(arg_dict) %}
    {%- set columns = get_quoted_csv(arg_dict['dest_columns'] | map(attribute='name')) -%}
    insert into {{ arg_dict['target_relation'] }} ({{ columns }})
    select {{ columns }} from {{ arg_dict['temp_relation'] }}
{% endmacro %}
