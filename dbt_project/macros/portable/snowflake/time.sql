{# Time on Snowflake: instants are TIMESTAMP_NTZ in UTC. #}

{# Text with a zone keeps it until it is turned to UTC; text without one is UTC whatever the session's zone. #}
{% macro snowflake__parse_instant(text) -%}
    case
        when substr({{ text }}, 5, 1) = '-' and regexp_like({{ text }}, '.*(Z|[+-][0-9]{2}:?[0-9]{2})')
            then convert_timezone('UTC', try_cast({{ text }} as timestamp_tz))::timestamp_ntz
        when substr({{ text }}, 5, 1) = '-' then try_cast({{ text }} as timestamp_ntz)
        when length(split_part({{ text }}, '.', 1)) >= 12 then to_timestamp_ntz(cast(try_to_decimal({{ text }}, 20, 3) * 1000 as bigint), 6)
        else to_timestamp_ntz(cast(try_to_decimal({{ text }}, 20, 6) * 1000000 as bigint), 6)
    end
{%- endmacro %}

{% macro snowflake__epoch_instant(seconds) -%}
    to_timestamp_ntz({{ seconds }})
{%- endmacro %}

{# DATEDIFF counts the borders of seconds that were crossed: parts of a second are cut off first by what crosses them whole. #}
{% macro snowflake__seconds_between(start, stop) -%}
    floor(datediff('microsecond', {{ start }}, {{ stop }}) / 1000000)
{%- endmacro %}

{% macro snowflake__local_time(instant, zone) -%}
    convert_timezone('UTC', {{ zone }}, {{ instant }})
{%- endmacro %}

{% macro snowflake__utc_time(local, zone) -%}
    convert_timezone({{ zone }}, 'UTC', {{ local }})
{%- endmacro %}

{% macro snowflake__add_days(day, days) -%}
    cast(dateadd('day', {{ days }}, {{ day }}) as date)
{%- endmacro %}

{% macro snowflake__add_months(instant, months) -%}
    dateadd('month', {{ months }}, {{ instant }})
{%- endmacro %}

{% macro snowflake__date_spine(first_day, last_day) -%}
    {{ snowflake_spine('day', first_day, last_day) }}
{%- endmacro %}

{% macro snowflake__month_spine(first, last) -%}
    {{ snowflake_spine('month', first, last) }}
{%- endmacro %}

{# The range is numbered first: a table function takes no query as its argument. #}
{% macro snowflake_spine(unit, first, last) -%}
    (
        select cast(dateadd('{{ unit }}', numbers.value::integer, bounds.first_one) as date) as {{ unit }}
        from (select cast({{ first }} as date) as first_one, cast({{ last }} as date) as last_one) as bounds,
            lateral flatten(input => array_generate_range(0, datediff('{{ unit }}', bounds.first_one, bounds.last_one) + 1)) as numbers
    )
{%- endmacro %}

{% macro snowflake__iso_weekday(day) -%}
    dayofweekiso({{ day }})
{%- endmacro %}

{% macro snowflake__days_between(start, stop) -%}
    datediff('day', {{ start }}, {{ stop }})
{%- endmacro %}
