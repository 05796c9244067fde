{# A rate that must be there: an error names the currency and the day, never a guess. #}
{% macro rate_or_error(rate, currency, day) -%}
    {{ return(adapter.dispatch('rate_or_error', 'warehouse')(rate, currency, day)) }}
{%- endmacro %}

{% macro duckdb__rate_or_error(rate, currency, day) -%}
    case
        when {{ rate }} is null and {{ currency }} is not null
            then cast(error('no exchange rate from ' || {{ currency }} || ' to {{ var("reporting_currency") }} on ' || cast({{ day }} as varchar)) as decimal(28, 12))
        else {{ rate }}
    end
{%- endmacro %}

{% macro spark__rate_or_error(rate, currency, day) -%}
    case
        when {{ rate }} is null and {{ currency }} is not null
            then cast(raise_error(concat('no exchange rate from ', {{ currency }}, ' to {{ var("reporting_currency") }} on ', cast({{ day }} as string))) as decimal(28, 12))
        else {{ rate }}
    end
{%- endmacro %}
