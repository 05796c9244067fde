{# Aggregates, hashes and exact numbers on ClickHouse. #}

{% macro clickhouse__key_hash(key) -%}
    cityHash64({{ key }})
{%- endmacro %}

{# Of the row as text: the hash of a NULL would be NULL. #}
{% macro clickhouse__row_print(columns) -%}
    toInt256(cityHash64(toString(tuple({{ columns | join(', ') }}))))
{%- endmacro %}

{% macro clickhouse__arg_max(value, rank) -%}
    argMax({{ value }}, {{ rank }})
{%- endmacro %}

{% macro clickhouse__arg_min(value, rank) -%}
    argMin({{ value }}, {{ rank }})
{%- endmacro %}

{% macro clickhouse__percentile(value, share) -%}
    quantileExactInclusive({{ share }})({{ value }})
{%- endmacro %}

{% macro clickhouse__whole_number(text) -%}
    if(match(ifNull({{ text }}, ''), '^[+-]?[0-9]+$'), toInt64OrNull({{ text }}), null)
{%- endmacro %}

{% macro clickhouse__is_text_like(text, pattern) -%}
    match({{ text }}, '^({{ pattern }})$')
{%- endmacro %}

{% macro clickhouse__big_integer() -%}
    Int256
{%- endmacro %}

{% macro clickhouse__whole_quotient(dividend, divisor) -%}
    intDiv({{ dividend }}, {{ divisor }})
{%- endmacro %}

{% macro clickhouse__floor_quotient(a, b) -%}
    intDiv(toInt256({{ a }}) - (toInt256({{ a }}) % toInt256({{ b }}) + toInt256({{ b }})) % toInt256({{ b }}), toInt256({{ b }}))
{%- endmacro %}

{% macro clickhouse__half_up_quotient(a, b) -%}
    (sign({{ a }}) * intDiv(2 * abs(toInt256({{ a }})) + toInt256({{ b }}), 2 * toInt256({{ b }})))
{%- endmacro %}

{# A cast that fails names in its message what was to be cast. #}
{% macro clickhouse__rate_or_error(rate, currency, day) -%}
    case
        when {{ rate }} is null and {{ currency }} is not null
            then toDecimal128(assumeNotNull(concat('no exchange rate from ', {{ currency }}, ' to {{ var("reporting_currency") }} on ', toString({{ day }}))), 12)
        else {{ rate }}
    end
{%- endmacro %}

{% macro clickhouse__last_known(value) -%}
    last_value({{ value }}) ignore nulls
{%- endmacro %}

{# ROUND of a double takes halves to the even neighbour. #}
{% macro clickhouse__rounded(value, places) -%}
    (sign({{ value }}) * floor(abs({{ value }}) * 1e{{ places }} + 5e-1) / 1e{{ places }})
{%- endmacro %}
