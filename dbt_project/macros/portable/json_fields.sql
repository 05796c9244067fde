{#- Fields of an API object kept as JSON text. Everything is read as text first: a cast of JSON numbers would turn 1.5 into 2.
    Where engines differ the default is DuckDB's. -#}

{#- Text at a path of a JSON column; of an opened object (a struct column named `fields`, see below) where that is given. -#}
{%- macro text_at(json, path) -%}
{%- if json.split('.')[-1] != 'fields' -%}
{{ json_text(json, path) }}
{%- else -%}
{%- set key = path.split('.')[0].split('[')[0] -%}
{%- set rest = path[key | length:] -%}
{%- set opened = field(json, key) -%}
{{ opened if not rest else json_text(opened, rest[1:]) }}
{%- endif -%}
{%- endmacro -%}

{#- An object opened once: a struct of the texts of all the keys that `columns` (rendered with json='fields') reads.
    One parse instead of one per column: a tenth of the time on invoices. -#}
{%- macro opened(json, columns) -%}
{%- set keys = modules.re.findall('fields[.:]["`](\\w+)["`]', columns) | unique | list -%}
{{ opened_fields(json, keys) }} as fields
{%- endmacro -%}

{#- As a select item only. On DuckDB through a list of one: a condition on what was read would otherwise be pushed below the
    reading, and the JSON be parsed once for the condition and once more for the row. -#}
{%- macro opened_fields(json, keys) -%}{{ return(adapter.dispatch('opened_fields', 'warehouse')(json, keys)) }}{%- endmacro -%}
{%- macro default__opened_fields(json, keys) -%}{{ json_fields(json, keys) }}{%- endmacro -%}
{%- macro duckdb__opened_fields(json, keys) -%}unnest([{{ json_fields(json, keys) }}]){%- endmacro -%}

{#- The JSON text below a path (an object or an array), NULL where it is absent or null. -#}
{%- macro json_below(json, path) -%}{{ text_at(json, path) }}{%- endmacro -%}

{#- RFC 7396: arrays whole, null takes a key away. -#}
{%- macro merged_json(json, patch) -%}{{ return(adapter.dispatch('merged_json', 'warehouse')(json, patch)) }}{%- endmacro -%}
{%- macro default__merged_json(json, patch) -%}cast(json_merge_patch(cast({{ json }} as json), cast({{ patch }} as json)) as varchar){%- endmacro -%}
{#- Objects within objects down to the fourth; what lies deeper is replaced whole. -#}
{%- macro spark__merged_json(json, patch) -%}
to_json({{ spark_merged("from_json(" ~ json ~ ", 'map<string, variant>')", "from_json(" ~ patch ~ ", 'map<string, variant>')", 4) }})
{%- endmacro -%}
{%- macro spark_merged(old, new, depth) -%}
map_filter(
    map_zip_with({{ old }}, {{ new }}, (key{{ depth }}, old{{ depth }}, new{{ depth }}) -> case
        when new{{ depth }} is null then old{{ depth }}
        {%- if depth > 1 %}
        when startswith(schema_of_variant(old{{ depth }}), 'OBJECT') and startswith(schema_of_variant(new{{ depth }}), 'OBJECT') then parse_json(to_json({{
            spark_merged('cast(old' ~ depth ~ ' as map<string, variant>)', 'cast(new' ~ depth ~ ' as map<string, variant>)', depth - 1)
        }}))
        {%- endif %}
        else new{{ depth }}
    end),
    (key{{ depth }}, kept{{ depth }}) -> not is_variant_null(kept{{ depth }})
)
{%- endmacro -%}

{%- macro is_text_like(text, pattern) -%}{{ return(adapter.dispatch('is_text_like', 'warehouse')(text, pattern)) }}{%- endmacro -%}
{%- macro default__is_text_like(text, pattern) -%}regexp_full_match({{ text }}, '{{ pattern }}'){%- endmacro -%}
{%- macro spark__is_text_like(text, pattern) -%}({{ text }} rlike '^({{ pattern }})$'){%- endmacro -%}

{#- A whole number of at most 18 digits; NULL for anything else (landing set 1.5, true and NaN aside). -#}
{%- macro whole_at(json, path) -%}
case when {{ is_text_like(text_at(json, path), '-?[0-9]{1,18}') }} then cast({{ text_at(json, path) }} as bigint) end
{%- endmacro -%}

{%- macro decimal_at(json, path, type='decimal(38, 12)') -%}
case when {{ is_text_like(text_at(json, path), '-?[0-9]{1,24}([.][0-9]{1,12})?') }} then cast({{ text_at(json, path) }} as {{ type }}) end
{%- endmacro -%}

{%- macro flag_at(json, path) -%}
case {{ text_at(json, path) }} when 'true' then true when 'false' then false end
{%- endmacro -%}

{#- An id that may stand there alone or as an expanded object. -#}
{%- macro id_at(json, path) -%}
case when left({{ text_at(json, path) }}, 1) = '{' then {{ text_at(json, path ~ '.id') }} else {{ text_at(json, path) }} end
{%- endmacro -%}

{#- Epoch seconds as a UTC TIMESTAMP. -#}
{%- macro instant_at(json, path) -%}{{ epoch_instant(whole_at(json, path)) }}{%- endmacro -%}

{#- The id of an array's element: a bare string or an expanded object. -#}
{%- macro element_id(element) -%}
case when left({{ element }}, 1) = '{' then {{ text_at(element, 'id') }} else {{ element }} end
{%- endmacro -%}

{#- A select of one row per element of a JSON array: the named columns, `element` (JSON text; a bare string unquoted) and `position` from 1. -#}
{%- macro each_element(relation, columns, json, path='') -%}{{ return(adapter.dispatch('each_element', 'warehouse')(relation, columns, json, path)) }}{%- endmacro -%}
{%- macro default__each_element(relation, columns, json, path='') -%}
    select
        {% for column in columns %}{{ column }}, {% endfor %}
        unnest(elements) as element,
        generate_subscripts(elements, 1) as position
    from (
        select
            {% for column in columns %}{{ column }}, {% endfor %}
            json_extract_string({{ json }}, '${{ '.' ~ path if path else '' }}[*]') as elements
        from {{ relation }}
    ) as arrays
{%- endmacro -%}
{%- macro spark__each_element(relation, columns, json, path='') -%}
    select
        {% for column in columns %}{{ column }}, {% endfor %}
        element,
        place + 1 as position
    from (
        select
            {% for column in columns %}{{ column }}, {% endfor %}
            posexplode(from_json({{ json_below(json, path) if path else json }}, 'array<string>')) as (place, element)
        from {{ relation }}
    ) as arrays
{%- endmacro -%}

{#- Sum over an array of objects inside one row: Σ element[field], each a whole number; optionally where another field equals a value. -#}
{%- macro sum_below(json, path, field, where_field=none, where_value=none) -%}{{ return(adapter.dispatch('sum_below', 'warehouse')(json, path, field, where_field, where_value)) }}{%- endmacro -%}
{%- macro default__sum_below(json, path, field, where_field=none, where_value=none) -%}
case when coalesce({{ json_below(json, path) }}, '[]') = '[]' then 0 else coalesce(list_sum(list_transform(
    json_extract({{ json_below(json, path) }}, '$[*]'),
    lambda element : case
        when {% if where_field %}json_extract_string(element, '$.{{ where_field }}') = '{{ where_value }}' and {% endif -%}
            regexp_full_match(json_extract_string(element, '$.{{ field }}'), '-?[0-9]{1,18}')
            then cast(json_extract_string(element, '$.{{ field }}') as bigint)
        else 0
    end
)), 0) end
{%- endmacro -%}
{%- macro spark__sum_below(json, path, field, where_field=none, where_value=none) -%}
aggregate(
    coalesce(from_json({{ json_below(json, path) }}, 'array<string>'), array()),
    cast(0 as bigint),
    (total, element) -> total + case
        when {% if where_field %}get_json_object(element, '$.{{ where_field }}') = '{{ where_value }}' and {% endif -%}
            get_json_object(element, '$.{{ field }}') rlike '^-?[0-9]{1,18}$'
            then cast(get_json_object(element, '$.{{ field }}') as bigint)
        else 0
    end
)
{%- endmacro -%}

{#- The ids of an array's elements, bare or expanded, as one text in their order; NULL without an array. -#}
{%- macro ids_text(json, path) -%}{{ return(adapter.dispatch('ids_text', 'warehouse')(json, path)) }}{%- endmacro -%}
{%- macro default__ids_text(json, path) -%}
array_to_string(list_transform(
    json_extract_string({{ json }}, '${{ '.' ~ path if path else '' }}[*]'),
    lambda element : case when left(element, 1) = '{' then json_extract_string(element, '$.id') else element end
), ',')
{%- endmacro -%}
{%- macro spark__ids_text(json, path) -%}
array_join(transform(
    from_json({{ json_text(json, path) if path else json }}, 'array<string>'),
    one -> case when left(one, 1) = '{' then get_json_object(one, '$.id') else one end
), ',')
{%- endmacro -%}

{#- A select of one row per key of an object: the named columns and `key`. -#}
{%- macro each_key(relation, columns, json) -%}{{ return(adapter.dispatch('each_key', 'warehouse')(relation, columns, json)) }}{%- endmacro -%}
{%- macro default__each_key(relation, columns, json) -%}
    select {{ columns | join(', ') }}, unnest(json_keys({{ json }})) as key from {{ relation }}
{%- endmacro -%}
{%- macro spark__each_key(relation, columns, json) -%}
    select {{ columns | join(', ') }}, explode(json_object_keys({{ json }})) as key from {{ relation }}
{%- endmacro -%}

{#- The text of a value whose key is itself a column. -#}
{%- macro text_at_key(json, key) -%}{{ return(adapter.dispatch('text_at_key', 'warehouse')(json, key)) }}{%- endmacro -%}
{%- macro default__text_at_key(json, key) -%}json_extract_string({{ json }}, '/' || {{ key }}){%- endmacro -%}
{%- macro spark__text_at_key(json, key) -%}get_json_object({{ json }}, '$.' || replace({{ key }}, '/', '.')){%- endmacro -%}

{#- A text as a whole number, NULL for anything else. -#}
{%- macro whole_of(text) -%}
case when {{ is_text_like(text, '-?[0-9]{1,18}') }} then cast({{ text }} as bigint) end
{%- endmacro -%}

{#- Whether a JSON array of strings holds a text. -#}
{%- macro array_text_contains(json, text) -%}{{ return(adapter.dispatch('array_text_contains', 'warehouse')(json, text)) }}{%- endmacro -%}
{%- macro default__array_text_contains(json, text) -%}
list_contains(json_extract_string({{ json }}, '$[*]'), {{ text }})
{%- endmacro -%}
{%- macro spark__array_text_contains(json, text) -%}
array_contains(from_json({{ json }}, 'array<string>'), {{ text }})
{%- endmacro -%}

{#- What matters of a subscription's items, as one text in the order of their ids: id, price, quantity, discounts' and rates' ids, trial (whether
    a discount or a rate came expanded is no change). -#}
{%- macro items_text(json) -%}{{ return(adapter.dispatch('items_text', 'warehouse')(json)) }}{%- endmacro -%}
{%- macro default__items_text(json) -%}
array_to_string(list_sort(list_transform(
    json_extract({{ json }}, '$[*]'),
    lambda item : concat_ws(
        ':',
        {{ text_at('item', 'id') }},
        coalesce({{ id_at('item', 'price') }}, {{ id_at('item', 'plan') }}),
        coalesce({{ text_at('item', 'quantity') }}, ''),
        {{ ids_text('item', 'discounts') }},
        {{ ids_text('item', 'tax_rates') }},
        {{ text_at('item', 'current_trial.start_date') }},
        {{ text_at('item', 'current_trial.end_date') }}
    )
)), ';')
{%- endmacro -%}
{%- macro spark__items_text(json) -%}
array_join(array_sort(transform(
    from_json({{ json }}, 'array<string>'),
    item -> concat_ws(
        ':',
        {{ text_at('item', 'id') }},
        coalesce({{ id_at('item', 'price') }}, {{ id_at('item', 'plan') }}),
        coalesce({{ text_at('item', 'quantity') }}, ''),
        {{ ids_text('item', 'discounts') }},
        {{ ids_text('item', 'tax_rates') }},
        {{ text_at('item', 'current_trial.start_date') }},
        {{ text_at('item', 'current_trial.end_date') }}
    )
)), ';')
{%- endmacro -%}
