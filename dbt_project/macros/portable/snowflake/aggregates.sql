{# Aggregates, hashes and exact numbers on Snowflake. #}

{% macro snowflake__key_hash(key) -%}
    hash({{ key }})
{%- endmacro %}

{% macro snowflake__row_print(columns) -%}
    hash({{ columns | join(', ') }})
{%- endmacro %}

{% macro snowflake__arg_max(value, rank) -%}
    max_by({{ value }}, {{ rank }})
{%- endmacro %}

{% macro snowflake__arg_min(value, rank) -%}
    min_by({{ value }}, {{ rank }})
{%- endmacro %}

{% macro snowflake__percentile(value, share) -%}
    percentile_cont({{ share }}) within group (order by {{ value }})
{%- endmacro %}

{% macro snowflake__whole_number(text) -%}
    case when regexp_like({{ text }}, '[+-]?[0-9]+') then cast({{ text }} as bigint) end
{%- endmacro %}

{# REGEXP_LIKE looks at the whole text. #}
{% macro snowflake__is_text_like(text, pattern) -%}
    regexp_like({{ text }}, '{{ pattern }}')
{%- endmacro %}

{# Snowflake has 38 digits for every whole number; its emulator takes (38, 0) to mean 64 bits. #}
{% macro snowflake__big_integer() -%}
    number(37, 0)
{%- endmacro %}

{# A quotient of NUMBERs has six places only: what it rounds off is taken away before the division. #}
{% macro snowflake__whole_quotient(dividend, divisor) -%}
    {{ snowflake__floor_quotient(dividend, divisor) }}
{%- endmacro %}

{% macro snowflake__floor_quotient(a, b) -%}
    cast((({{ a }}) - ((({{ a }}) % ({{ b }})) + ({{ b }})) % ({{ b }})) / ({{ b }}) as {{ snowflake__big_integer() }})
{%- endmacro %}

{% macro snowflake__half_up_quotient(a, b) -%}
    (sign({{ a }}) * {{ snowflake__floor_quotient('2 * abs(' ~ a ~ ') + (' ~ b ~ ')', '2 * (' ~ b ~ ')') }})
{%- endmacro %}

{# A cast that fails names in its message what was to be cast. #}
{% macro snowflake__rate_or_error(rate, currency, day) -%}
    case
        when {{ rate }} is null and {{ currency }} is not null
            then cast('no exchange rate from ' || {{ currency }} || ' to {{ var("reporting_currency") }} on ' || cast({{ day }} as varchar) as decimal(28, 12))
        else {{ rate }}
    end
{%- endmacro %}

{# CONCAT_WS, LEAST and GREATEST are NULL as soon as one of their arguments is. A part that is NULL is empty here. #}
{% macro snowflake__joined_parts(delimiter, parts) -%}
    concat_ws('{{ delimiter }}', {% for part in parts %}coalesce(cast({{ part }} as varchar), ''){{ ', ' if not loop.last }}{% endfor %})
{%- endmacro %}

{% macro snowflake__least_known(one, other) -%}
    least_ignore_nulls({{ one }}, {{ other }})
{%- endmacro %}

{% macro snowflake__greatest_known(one, other) -%}
    greatest_ignore_nulls({{ one }}, {{ other }})
{%- endmacro %}

{% macro snowflake__rounded(value, places) -%}
    round({{ value }}, {{ places }})
{%- endmacro %}

{% macro snowflake__last_known(value) -%}
    last_value({{ value }}) ignore nulls
{%- endmacro %}
