{# Raw on Spark: the lake's Parquet files (docs/lake.md) as external tables, those that the selected models read. Rows are chosen by load id, so that
   the folders of days are passed over, not declared: partitions would have to be repaired at each build. #}
{% macro spark__open_lake() %}
    {%- set opened = [] -%}
    {%- for node in (graph.nodes if execute and flags.WHICH in ['build', 'run', 'test'] else {}).values() if node.unique_id in selected_resources -%}
        {%- for name in node.depends_on.nodes if name.startswith('source.') and name not in opened -%}
            {%- do opened.append(name) -%}
            {%- do spark_external_table(graph.sources[name].schema, graph.sources[name].identifier) -%}
        {%- endfor -%}
    {%- endfor -%}
{% endmacro %}

{% macro spark_external_table(schema, name) %}
    {%- set relation = schema ~ '.' ~ name -%}
    {%- set lake = env_var('LAKE_DIR') -%}
    {%- do run_query('create schema if not exists ' ~ schema) -%}
    {%- if schema.startswith('raw_') -%}
        {%- do run_query(
            'create table if not exists ' ~ relation ~ ' (_raw string, _load_id bigint, _extracted_at timestamp, _generation bigint, _position bigint, '
            ~ "_file string) using parquet options (path '" ~ lake ~ '/raw/' ~ schema[4:] ~ '/' ~ name ~ "', recursiveFileLookup true)"
        ) -%}
        {%- do run_query('refresh table ' ~ relation) -%}
    {%- else -%}
        {# their columns are what the file says, which another version of ours may have written #}
        {%- set folder = '/raw/' ~ schema[8:] ~ '/_landing/' if schema.startswith('landing_') else '/' ~ schema ~ '/' -%}
        {%- do run_query('drop table if exists ' ~ relation) -%}
        {%- do run_query('create table ' ~ relation ~ " using parquet options (path '" ~ lake ~ folder ~ name ~ ".parquet')") -%}
    {%- endif -%}
{% endmacro %}
