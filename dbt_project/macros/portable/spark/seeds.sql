{# dbt-spark's own way puts texts between quotes as they are: one with an apostrophe ends there. #}
{% macro spark__load_csv_rows(model, agate_table) %}
    {%- set types = model['config'].get('column_types', {}) -%}
    {%- set sql %}
        insert into {{ this }} values
        {%- for row in agate_table.rows %}
        (
            {%- for value in row %}
            {%- set name = agate_table.column_names[loop.index0] -%}
            {%- set literal = 'null' if value is none else dbt.string_literal(dbt.escape_single_quotes(value | string)) -%}
            cast({{ literal }} as {{ types.get(name, adapter.convert_type(agate_table, loop.index0)) }}){{ ', ' if not loop.last }}
            {%- endfor -%}
        ){{ ',' if not loop.last }}
        {%- endfor %}
    {%- endset %}
    {%- do adapter.add_query(sql, abridge_sql_log=True) %}
    {{ return(sql) }}
{% endmacro %}
