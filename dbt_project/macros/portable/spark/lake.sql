{# Raw on Spark: the lake's Parquet folders (docs/lake.md) as external tables. Rows are
   chosen by load id, so that the folders of days are passed over, not declared: partitions would have to be repaired at each build. New files are seen
   after a refresh. #}
{% macro spark__open_lake() %}
    {%- if execute and flags.WHICH in ['build', 'run', 'test', 'seed'] %}
        {%- for source in graph.sources.values() if source.schema.startswith('raw_') or source.schema.startswith('landing_') %}
            {%- do spark_external_table(source.schema, source.identifier) %}
        {%- endfor %}
    {%- endif %}
{% endmacro %}

{% macro spark_external_table(schema, name) %}
    {%- set relation = schema ~ '.' ~ name -%}
    {%- set lake = env_var('LAKE_DIR') -%}
    {%- do run_query('create schema if not exists ' ~ schema) %}
    {%- if schema.startswith('raw_') %}
        {%- do run_query(
            'create table if not exists ' ~ relation ~ ' (_raw string, _load_id bigint, _extracted_at timestamp, _generation bigint, _position bigint, '
            ~ "_file string) using parquet options (path '" ~ lake ~ '/' ~ schema[4:] ~ '/' ~ name ~ "', recursiveFileLookup true)"
        ) %}
    {%- else %}
        {%- do run_query('create table if not exists ' ~ relation ~ " using parquet options (path '" ~ lake ~ '/' ~ schema[8:] ~ '/_landing/' ~ name ~ ".parquet')") %}
    {%- endif %}
    {%- do run_query('refresh table ' ~ relation) %}
{% endmacro %}
