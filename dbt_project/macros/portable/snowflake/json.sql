{# JSON on Snowflake: texts are parsed to VARIANT, fields of it are read as texts. A VARIANT keeps an object's keys in their alphabetical order. #}

{% macro snowflake__json_text(column, path) -%}
    json_extract_path_text({{ column }}, '{{ path }}')
{%- endmacro %}

{% macro snowflake__json_fields(column, fields) -%}
    try_parse_json({{ column }})
{%- endmacro %}

{% macro snowflake__field(record, name) -%}
    {{ record }}:"{{ name }}"::varchar
{%- endmacro %}

{% macro snowflake__json_object(column, path) -%}
    json_extract_path_text({{ column }}, '{{ path }}')
{%- endmacro %}

{# One or two keys, by columns: a path is a constant. #}
{% macro snowflake__text_at_key(json, key) -%}
    case
        when contains({{ key }}, '/')
            then get(get(parse_json({{ json }}), split_part({{ key }}, '/', 1)), split_part({{ key }}, '/', 2))::varchar
        else get(parse_json({{ json }}), {{ key }})::varchar
    end
{%- endmacro %}

{% macro snowflake__each_element(relation, columns, json, path) -%}
    select
        {% for column in columns %}{{ column }}, {% endfor %}
        elements.value::varchar as element,
        elements.index + 1 as position
    from {{ relation }}, lateral flatten(input => {{ snowflake_array(json, path) }}) as elements
{%- endmacro %}

{% macro snowflake__each_key(relation, columns, json) -%}
    select
        {% for column in columns %}{{ column }}, {% endfor %}
        members.key as key
    from {{ relation }}, lateral flatten(input => parse_json({{ json }})) as members
{%- endmacro %}

{% macro snowflake__sum_below(json, path, field, where_field, where_value) -%}
    (
        select coalesce(sum(
            case
                when {% if where_field %}elements.value:"{{ where_field }}"::varchar = '{{ where_value }}' and {% endif -%}
                    regexp_like(elements.value:"{{ field }}"::varchar, '-?[0-9]{1,18}')
                    then cast(elements.value:"{{ field }}"::varchar as bigint)
            end
        ), 0)
        from table(flatten(input => parse_json({{ json_below(json, path) }}))) as elements
    )
{%- endmacro %}

{% macro snowflake__ids_text(json, path) -%}
    (
        select listagg({{ element_id('elements.value::varchar') }}, ',') within group (order by elements.index)
        from table(flatten(input => {{ snowflake_array(json, path) }})) as elements
    )
{%- endmacro %}

{# Of ids: a text with a quotation mark in it would stand there in other words. #}
{% macro snowflake__array_text_contains(json, text) -%}
    contains({{ json }}, '"' || {{ text }} || '"')
{%- endmacro %}

{% macro snowflake__items_text(json) -%}
    (
        select listagg(concat_ws(
            ':',
            {{ text_at('items.value::varchar', 'id') }},
            coalesce({{ id_at('items.value::varchar', 'price') }}, {{ id_at('items.value::varchar', 'plan') }}, ''),
            coalesce({{ text_at('items.value::varchar', 'quantity') }}, ''),
            coalesce({{ ids_text('items.value::varchar', 'discounts') }}, ''),
            coalesce({{ ids_text('items.value::varchar', 'tax_rates') }}, ''),
            coalesce({{ text_at('items.value::varchar', 'current_trial.start_date') }}, ''),
            coalesce({{ text_at('items.value::varchar', 'current_trial.end_date') }}, '')
        ), ';') within group (order by {{ text_at('items.value::varchar', 'id') }})
        from table(flatten(input => parse_json({{ json }}))) as items
    )
{%- endmacro %}

{# RFC 7396 by a function of the database (below): Snowflake has none of its own. #}
{% macro snowflake__merged_json(json, patch) -%}
    {{ target.database }}.{{ target.schema }}.merged_json({{ json }}, {{ patch }})
{%- endmacro %}

{% macro snowflake__open_lake() -%}
    {%- if execute and flags.WHICH in ['build', 'run', 'test', 'seed'] %}
        {%- do run_query('create schema if not exists ' ~ target.database ~ '.' ~ target.schema) %}
        {%- do run_query(snowflake_merged_json()) %}
    {%- endif %}
{%- endmacro %}

{% macro snowflake_merged_json() -%}
create or replace function {{ target.database }}.{{ target.schema }}.merged_json(old_text varchar, patch_text varchar)
returns varchar
language javascript
as $$
    const isObject = value => value !== null && typeof value === 'object' && !Array.isArray(value);
    const merged = (target, patch) => {
        if (!isObject(patch)) return patch;
        const result = isObject(target) ? target : {};
        for (const key of Object.keys(patch)) {
            if (patch[key] === null) delete result[key];
            else result[key] = merged(result[key], patch[key]);
        }
        return result;
    };
    if (OLD_TEXT === undefined || PATCH_TEXT === undefined) return undefined;
    return JSON.stringify(merged(JSON.parse(OLD_TEXT), JSON.parse(PATCH_TEXT)));
$$
{%- endmacro %}

{% macro snowflake_array(json, path) -%}
    {{ "get_path(parse_json(" ~ json ~ "), '" ~ path ~ "')" if path else "parse_json(" ~ json ~ ")" }}
{%- endmacro %}
