{# Spark computes a CTE anew wherever it is read, and plans it anew too: a chain in which each is read twice has doubled at every step, until
   the plan has no room in the driver. A model names those that are to be computed once: config(computed_once=['keyed', 'changes']).
   They stand beside the model as tables while it is built (a cache
   would do, but Spark does not know one again inside another query's CTEs). And it reads the folders of all days to find those that a CTE
   names: config(days_first=['changed_days']) asks for them before, once there is something to add to. DuckDB does all this by itself. #}

{# The model's code with the named CTEs read from their tables. Relies on the project's style: a CTE begins and ends in column 0. #}
{% macro spark_staged(compiled_code) -%}
    {%- set state = namespace(code=compiled_code) -%}
    {%- set days_first = config.get('days_first', []) if is_incremental() else [] -%}
    {%- for name in config.get('computed_once', []) + config.get('by_rounds', []) + days_first -%}
        {%- set begin = modules.re.search('(?:^|\n)(?:with\\s+)?' ~ name ~ ' as\\s+\\(', state.code) -%}
        {%- if begin is none -%}
            {%- do exceptions.raise_compiler_error("computed_once, by_rounds, days_first: there is no CTE '" ~ name ~ "'") -%}
        {%- endif -%}
        {%- set end = begin.end() + modules.re.search('\n\\)(?=,?\\s*(?:\n|$))', state.code[begin.end():]).start() -%}
        {%- set kept = spark_stage(name) -%}
        {%- set head = state.code[:begin.end()] -%}
        {%- set body = state.code[begin.end():end] -%}
        {%- if name in days_first -%}
            {%- set days = spark_days(run_query(head ~ body ~ '\n)\nselect distinct date_partition from ' ~ name).columns[0].values()) -%}
            {%- set state.code = head ~ 'select * from (select explode(array(' ~ days ~ ')) as date_partition) where date_partition is not null' ~ state.code[end:] -%}
            {%- set state.code = state.code | replace('in (select date_partition from ' ~ name ~ ')', 'in (' ~ days ~ ')') -%}
        {%- elif name in config.get('by_rounds', []) -%}
            {%- do spark_by_rounds(kept, name, head, body) -%}
            {%- set state.code = head ~ 'select * from ' ~ kept ~ state.code[end:] -%}
        {%- else -%}
            {%- do spark_table(kept, head ~ body ~ '\n)\nselect * from ' ~ name) -%}
            {%- set state.code = head ~ 'select * from ' ~ kept ~ state.code[end:] -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(state.code) }}
{%- endmacro %}

{# Days as literals: with them a table's folders are chosen while a query is planned. #}
{% macro spark_days(days) -%}
    {%- for day in days if day is not none -%}
        date '{{ day }}'{{ ', ' if not loop.last }}
    {%- else -%}
        cast(null as date)
    {%- endfor -%}
{%- endmacro %}

{# Asked before a test is planned, for the same reason. #}
{% macro spark__on_days_of_last_loads(model, load_column) -%}
    {%- if not execute or flags.WHICH not in ['build', 'test'] -%}
        {{ default__on_days_of_last_loads(model, load_column) }}
    {%- else -%}
        {%- set query -%}
            select date_partition from (
                select date_partition, max({{ load_column }}) as newest, max(max({{ load_column }})) over () as newest_of_all
                from {{ model }}
                group by date_partition
            ) where newest > newest_of_all - {{ var('test_loads') }}
        {%- endset -%}
        date_partition in ({{ spark_days(run_query(query).columns[0].values()) }})
    {%- endif -%}
{%- endmacro %}

{# A recursive CTE, `first union all (next)`, where Spark's own recursion knows no windows and no outer joins: next is computed of the last
   round's rows until it has none. #}
{% macro spark_by_rounds(kept, name, head, body) -%}
    {%- set first, next = body.split('\n    union all\n    (', 1) -%}
    {%- set rounds = namespace(last=spark_stage(name ~ '_0'), has_more=true) -%}
    {%- do spark_table(rounds.last, head ~ first ~ '\n)\nselect * from ' ~ name) -%}
    {%- do spark_table(kept, 'select * from ' ~ rounds.last) -%}
    {%- for number in range(1, 1000) if rounds.has_more -%}
        {%- set fresh = spark_stage(name ~ '_' ~ number) -%}
        {%- do spark_table(fresh, head ~ 'select * from ' ~ rounds.last ~ '\n)\nselect * from (' ~ next ~ ' as next_round') -%}
        {%- do run_query('drop table ' ~ rounds.last) -%}
        {%- set rounds.last = fresh -%}
        {%- set rounds.has_more = run_query('select count(*) from ' ~ fresh).columns[0].values()[0] > 0 -%}
        {%- if rounds.has_more -%}
            {%- do run_query('insert into ' ~ kept ~ ' select * from ' ~ fresh) -%}
        {%- endif -%}
    {%- endfor -%}
    {%- do run_query('drop table ' ~ rounds.last) -%}
{%- endmacro %}

{% macro spark_table(relation, query) -%}
    {%- do run_query('drop table if exists ' ~ relation) -%}
    {%- do run_query('create table ' ~ relation ~ ' ' ~ file_format_clause() ~ ' as\n' ~ query) -%}
{%- endmacro %}

{% macro spark_unstage() -%}
    {%- for name in config.get('computed_once', []) + config.get('by_rounds', []) -%}
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
