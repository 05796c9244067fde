{# Spark computes a CTE anew wherever it is read, and plans it anew too: a chain in which each is read twice has doubled at every step, until
   the plan has no room in the driver. A model names those that are to be computed once: config(computed_once=['keyed', 'changes']).
   They stand beside the model as tables while it is built (a cache
   would do, but Spark does not know one again inside another query's CTEs). DuckDB does all this by itself. #}

{# The model's code with the named CTEs read from their tables. Relies on the project's style: a CTE begins and ends in column 0. #}
{% macro spark_staged(compiled_code) -%}
    {%- set state = namespace(code=compiled_code) -%}
    {%- for name in config.get('computed_once', []) -%}
        {%- set begin = modules.re.search('(?:^|\n)(?:with\\s+)?' ~ name ~ ' as \\(', state.code) -%}
        {%- if begin is none -%}
            {%- do exceptions.raise_compiler_error("computed_once: there is no CTE '" ~ name ~ "'") -%}
        {%- endif -%}
        {%- set end = begin.end() + state.code[begin.end():].index('\n)') -%}
        {%- set kept = spark_stage(name) -%}
        {%- do run_query('drop table if exists ' ~ kept) -%}
        {%- do run_query('create table ' ~ kept ~ ' ' ~ file_format_clause() ~ ' as\n' ~ state.code[:end] ~ '\n)\nselect * from ' ~ name) -%}
        {%- set state.code = state.code[:begin.end()] ~ 'select * from ' ~ kept ~ state.code[end:] -%}
    {%- endfor -%}
    {{ return(state.code) }}
{%- endmacro %}

{% macro spark_unstage() -%}
    {%- for name in config.get('computed_once', []) -%}
        {%- do run_query('drop table if exists ' ~ spark_stage(name)) -%}
    {%- endfor -%}
{%- endmacro %}

{% macro spark_stage(name) -%}
    {{ return(this.incorporate(path={'identifier': this.identifier ~ '__' ~ name})) }}
{%- endmacro %}

{# As dbt-spark's own, with CTEs that are computed once. #}
{% materialization table, adapter='spark' %}
    {%- set existing = load_relation(this) -%}
    {{ run_hooks(pre_hooks) }}
    {%- if existing is not none and not (existing.is_table and spark_can_delete()) %}
        {%- do adapter.drop_relation(existing) %}
    {%- endif %}
    {%- call statement('main') %}
        {{ create_table_as(False, this, spark_staged(compiled_code)) }}
    {%- endcall %}
    {%- do spark_unstage() %}
    {%- do persist_docs(this, model) %}
    {{ run_hooks(post_hooks) }}
    {{ return({'relations': [this]}) }}
{% endmaterialization %}
