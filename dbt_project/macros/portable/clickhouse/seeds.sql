{# Seeds on ClickHouse: types stand in yml as all engines write them. #}
{% macro clickhouse__create_csv_table(model, agate_table) %}
    {%- set types = model['config'].get('column_types', {}) -%}
    {%- set sql %}
        create table {{ this }} (
            {%- for name in agate_table.column_names %}
            {{ adapter.quote(name) }} {{ types.get(name, adapter.convert_type(agate_table, loop.index0)) | replace('string', 'String') }}{{ ',' if not loop.last }}
            {%- endfor %}
        )
        engine = MergeTree order by tuple()
    {%- endset %}
    {%- call statement('_') %}{{ sql }}{% endcall %}
    {{ return(sql) }}
{% endmacro %}
