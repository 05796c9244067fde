{# Aggregates and hashes that engines spell differently. #}

{# The stable id of a row: md5 of its business key, parts set apart by a unit separator; NULL counts as its own value. #}
{% macro md5_id(columns) -%}
    md5(
        {%- for column in columns %}
        coalesce(cast({{ column }} as {{ dbt.type_string() }}), '(null)'){{ " || '|' ||" if not loop.last }}
        {%- endfor %}
    )
{%- endmacro %}

{# 64 bits of a key, to find what may be there twice in a fraction of the memory of the keys themselves. Two keys can share them:
   what is found is to be looked at by its key. #}
{% macro key_hash(key) -%}
    {{ return(adapter.dispatch('key_hash', 'warehouse')(key)) }}
{%- endmacro %}

{% macro duckdb__key_hash(key) -%}
    hash({{ key }})
{%- endmacro %}

{% macro spark__key_hash(key) -%}
    xxhash64({{ key }})
{%- endmacro %}

{# The value on the row with the largest rank, of rows that have one; ties fall to the larger tie breaker, which must be content. #}
{% macro arg_max(value, rank) -%}
    {{ return(adapter.dispatch('arg_max', 'warehouse')(value, rank)) }}
{%- endmacro %}

{% macro duckdb__arg_max(value, rank) -%}
    arg_max({{ value }}, {{ rank }})
{%- endmacro %}

{% macro spark__arg_max(value, rank) -%}
    max_by({{ value }}, case when {{ value }} is not null then {{ rank }} end)
{%- endmacro %}

{% macro arg_min(value, rank) -%}
    {{ return(adapter.dispatch('arg_min', 'warehouse')(value, rank)) }}
{%- endmacro %}

{% macro duckdb__arg_min(value, rank) -%}
    arg_min({{ value }}, {{ rank }})
{%- endmacro %}

{% macro spark__arg_min(value, rank) -%}
    min_by({{ value }}, case when {{ value }} is not null then {{ rank }} end)
{%- endmacro %}

{# An exact percentile, interpolated between neighbours. #}
{% macro percentile(value, share) -%}
    {{ return(adapter.dispatch('percentile', 'warehouse')(value, share)) }}
{%- endmacro %}

{% macro duckdb__percentile(value, share) -%}
    quantile_cont({{ value }}, {{ share }})
{%- endmacro %}

{% macro spark__percentile(value, share) -%}
    percentile({{ value }}, {{ share }})
{%- endmacro %}

{# A double to some places, half away from zero, by the same steps on every engine: one rounds the product, another the number's shortest text,
   and 1.005 is on either side of the middle. #}
{% macro rounded(value, places) -%}
    {{ return(adapter.dispatch('rounded', 'warehouse')(value, places)) }}
{%- endmacro %}

{% macro duckdb__rounded(value, places) -%}
    round({{ value }}, {{ places }})
{%- endmacro %}

{% macro spark__rounded(value, places) -%}
    (sign({{ value }}) * floor(abs({{ value }}) * 1e{{ places }} + 5e-1) / 1e{{ places }})
{%- endmacro %}

{# Latency histograms: bucket b holds values in (1.1^(b-1), 1.1^b] ms, bucket 0 all up to 1 ms. Counts of equal buckets add
   up over days, so that percentiles of a week come from the days' rows, each within 5 % of the true value. #}
{% macro latency_bucket(milliseconds) -%}
    cast(case when {{ milliseconds }} <= 1 then 0 else ceil(round(ln({{ milliseconds }}) / ln(1.1), 9)) end as integer)
{%- endmacro %}

{# The value that stands for a bucket: its geometric middle. #}
{% macro latency_of_bucket(bucket) -%}
    case when {{ bucket }} = 0 then 1.0 else power(1.1, {{ bucket }} - 0.5) end
{%- endmacro %}

{# Whole numbers and decimals out of text. Anything else than digits raises no error here: landing has set it aside. #}
{% macro whole_number(text) -%}
    {{ return(adapter.dispatch('whole_number', 'warehouse')(text)) }}
{%- endmacro %}

{# A cast of '1.5' to BIGINT gives 2 in silence, so that only texts without a point or an exponent are cast. #}
{% macro duckdb__whole_number(text) -%}
    case when regexp_full_match({{ text }}, '[+-]?[0-9]+') then cast({{ text }} as bigint) end
{%- endmacro %}

{% macro spark__whole_number(text) -%}
    case when {{ text }} rlike '^[+-]?[0-9]+$' then cast({{ text }} as bigint) end
{%- endmacro %}

{% macro boolean_text(text) -%}
    case lower({{ text }}) when 'true' then true when '1' then true when 'false' then false when '0' then false end
{%- endmacro %}

{# A sorted list of the group's values. #}
{% macro sorted_list(value) -%}
    {{ return(adapter.dispatch('sorted_list', 'warehouse')(value)) }}
{%- endmacro %}

{% macro duckdb__sorted_list(value) -%}
    list({{ value }} order by {{ value }})
{%- endmacro %}

{% macro spark__sorted_list(value) -%}
    sort_array(collect_list({{ value }}))
{%- endmacro %}

{# Counts per value as a map, which adds up over rows. #}
{% macro histogram(value) -%}
    {{ return(adapter.dispatch('histogram', 'warehouse')(value)) }}
{%- endmacro %}

{% macro duckdb__histogram(value) -%}
    cast(histogram({{ value }}) as map(integer, bigint))
{%- endmacro %}

{% macro spark__histogram(value) -%}
    map_from_entries(transform(
        array_sort(collect_set({{ value }})),
        one -> struct(one, cast(size(filter(collect_list({{ value }}), other -> other = one)) as bigint))
    ))
{%- endmacro %}

{# Whole division of whole numbers, rounded down for positive ones. #}
{% macro whole_quotient(dividend, divisor) -%}
    {{ return(adapter.dispatch('whole_quotient', 'warehouse')(dividend, divisor)) }}
{%- endmacro %}

{% macro duckdb__whole_quotient(dividend, divisor) -%}
    (({{ dividend }}) // {{ divisor }})
{%- endmacro %}

{% macro spark__whole_quotient(dividend, divisor) -%}
    (({{ dividend }}) div {{ divisor }})
{%- endmacro %}

{# The group's texts as one, in the order of a column; NULLs are left out. #}
{% macro joined_text(value, delimiter, order_by) -%}
    {{ return(adapter.dispatch('joined_text', 'warehouse')(value, delimiter, order_by)) }}
{%- endmacro %}

{% macro duckdb__joined_text(value, delimiter, order_by) -%}
    string_agg({{ value }}, '{{ delimiter }}' order by {{ order_by }})
{%- endmacro %}

{% macro spark__joined_text(value, delimiter, order_by) -%}
    array_join(transform(array_sort(collect_list(struct({{ order_by }} as place, {{ value }} as text))), pair -> pair.text), '{{ delimiter }}')
{%- endmacro %}

{# Texts within a row as one, to be compared with others of its kind; none of them being NULL makes it NULL. #}
{% macro joined_parts(delimiter, parts) -%}
    {{ return(adapter.dispatch('joined_parts', 'warehouse')(delimiter, parts)) }}
{%- endmacro %}

{% macro default__joined_parts(delimiter, parts) -%}
    concat_ws('{{ delimiter }}', {{ parts | join(', ') }})
{%- endmacro %}

{# The smaller or the larger of two values; the one that is known where the other is NULL. #}
{% macro least_known(one, other) -%}
    {{ return(adapter.dispatch('least_known', 'warehouse')(one, other)) }}
{%- endmacro %}

{% macro default__least_known(one, other) -%}
    least({{ one }}, {{ other }})
{%- endmacro %}

{% macro greatest_known(one, other) -%}
    {{ return(adapter.dispatch('greatest_known', 'warehouse')(one, other)) }}
{%- endmacro %}

{% macro default__greatest_known(one, other) -%}
    greatest({{ one }}, {{ other }})
{%- endmacro %}

{# As a window function: the last value up to the row that is not NULL. #}
{% macro last_known(value) -%}
    {{ return(adapter.dispatch('last_known', 'warehouse')(value)) }}
{%- endmacro %}

{% macro duckdb__last_known(value) -%}
    last_value({{ value }} ignore nulls)
{%- endmacro %}

{% macro spark__last_known(value) -%}
    last_value({{ value }}) ignore nulls
{%- endmacro %}
