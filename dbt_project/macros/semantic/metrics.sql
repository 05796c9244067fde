{#- KPI tables are made from the metrics of models/semantic: there stands each expression, once. The graph is empty while dbt parses;
    then every expression is `null`. -#}

{#- Metrics and measures by name, out of dbt's graph; nothing while dbt parses.

    dbt gives unit tests a graph of their own, with the tested model alone in it. What it shows while it reads the model for a unit test is
    the project's: from there the definitions are remembered (on this macro, which both graphs share), so that hand-worked cases see the
    real expressions. -#}
{%- macro semantic_layer() -%}
    {%- if not graph.get('metrics') -%}{{ return(semantic_layer.macro.meta) }}{%- endif -%}
    {%- set layer = {'metrics': {}, 'measures': {}} -%}
    {%- for metric in graph.metrics.values() -%}
        {%- do layer.metrics.update({metric.name: {'type': metric.type, 'type_params': metric.type_params, 'filter': metric.filter}}) -%}
    {%- endfor -%}
    {%- for model in graph.semantic_models.values() -%}
        {%- for measure in model.measures -%}
            {%- do layer.measures.update({measure.name: {'agg': measure.agg, 'expr': measure.expr or measure.name}}) -%}
        {%- endfor -%}
    {%- endfor -%}
    {%- if not execute -%}{%- do semantic_layer.macro.meta.update(layer) -%}{%- endif -%}
    {{ return(layer) }}
{%- endmacro -%}

{#- A metric by its name. -#}
{%- macro metric_named(layer, name) -%}
    {%- if name not in layer.metrics -%}
        {{ exceptions.raise_compiler_error("there is no metric '" ~ name ~ "' in models/semantic") }}
    {%- endif -%}
    {{ return(layer.metrics[name]) }}
{%- endmacro -%}

{#- A simple metric as an aggregate over the columns of its semantic model's table: `sum(closing_mrr_reporting_minor)`. -#}
{%- macro simple_metric(name) -%}
    {%- set layer = semantic_layer() -%}
    {%- if not layer -%}{{ return('null') }}{%- endif -%}
    {%- set metric = metric_named(layer, name) -%}
    {%- if metric.type != 'simple' or metric.filter -%}
        {{ exceptions.raise_compiler_error("'" ~ name ~ "' is no plain simple metric") }}
    {%- endif -%}
    {%- set input = metric.type_params.measure -%}
    {%- set measure = layer.measures[input.name] -%}
    {%- set column = measure.expr -%}
    {%- if measure.agg == 'count_distinct' -%}
        {%- set aggregate = 'count(distinct ' ~ column ~ ')' -%}
    {%- elif measure.agg in ['sum', 'min', 'max', 'count'] -%}
        {%- set aggregate = measure.agg ~ '(' ~ column ~ ')' -%}
    {%- elif measure.agg == 'average' -%}
        {#- decimals add up exactly, in any order; divided as decimals they would have too few places on Spark -#}
        {%- set aggregate = 'cast(sum(' ~ column ~ ') as double) / nullif(count(' ~ column ~ '), 0)' -%}
    {%- else -%}
        {{ exceptions.raise_compiler_error("'" ~ name ~ "': KPI tables have no aggregate " ~ measure.agg) }}
    {%- endif -%}
    {%- if input.fill_nulls_with is not none -%}
        {%- set aggregate = 'coalesce(' ~ aggregate ~ ', ' ~ input.fill_nulls_with ~ ')' -%}
    {%- endif -%}
    {{ return(aggregate) }}
{%- endmacro -%}

{#- Columns of a select, one per simple metric, each named like it: `sum(x) as mrr, count(distinct y) as paying_customers`. -#}
{%- macro simple_metrics(names) -%}
    {%- for name in names -%}
    {{ simple_metric(name) }} as {{ name }}{{ ",\n        " if not loop.last }}
    {%- endfor -%}
{%- endmacro -%}

{#- A ratio or derived metric over the columns of a row that has its simple metrics as columns of their names.

    inputs     what stands for an input where the row has it under another name: {'interval_end_mrr': 'end_mrr_12m'}
    month      the row's month, for inputs of months before
    partition  what sets rows of one month apart, for the same

    A filter (such as the length of an interval) is not applied: it says which rows the metric is made of, and the caller's are those. -#}
{%- macro metric(name, inputs={}, month='month', partition=[]) -%}
    {%- set layer = semantic_layer() -%}
    {%- if not layer -%}{{ return('null') }}{%- endif -%}
    {%- if name in inputs -%}{{ return(inputs[name]) }}{%- endif -%}
    {%- set found = metric_named(layer, name) -%}
    {%- if found.type == 'simple' -%}{{ return(name) }}{%- endif -%}
    {%- if found.type == 'ratio' -%}
        {%- set numerator = metric(found.type_params.numerator.name, inputs, month, partition) -%}
        {%- set denominator = metric(found.type_params.denominator.name, inputs, month, partition) -%}
        {{ return(rate(numerator, denominator)) }}
    {%- endif -%}
    {%- if found.type != 'derived' -%}
        {{ exceptions.raise_compiler_error("'" ~ name ~ "': KPI tables have no metrics of type " ~ found.type) }}
    {%- endif -%}
    {#- two steps, so that a name within what stands for another input is left alone -#}
    {%- set written = namespace(sql=found.type_params.expr) -%}
    {%- for input in found.type_params.metrics -%}
        {%- set word = '\\b' ~ (input.alias or input.name) ~ '\\b' -%}
        {%- set written.sql = modules.re.sub(word, '<' ~ loop.index ~ '>', written.sql) -%}
    {%- endfor -%}
    {%- for input in found.type_params.metrics -%}
        {%- set value = metric(input.name, inputs, month, partition) -%}
        {%- if input.offset_window -%}
            {%- set value = months_before(value, month, input.offset_window.count, partition) -%}
        {%- endif -%}
        {%- set written.sql = written.sql | replace('<' ~ loop.index ~ '>', '(' ~ value ~ ')') -%}
    {%- endfor -%}
    {{ return('(' ~ written.sql ~ ')') }}
{%- endmacro -%}

{#- The value that the row of some months before has; NULL where there is no such row. -#}
{%- macro months_before(value, month, months, partition=[]) -%}
    max({{ value }}) over (
        {{ "partition by " ~ partition | join(', ') if partition }} order by {{ month }}
        range between interval '{{ months }}' month preceding and interval '{{ months }}' month preceding
    )
{%- endmacro -%}
