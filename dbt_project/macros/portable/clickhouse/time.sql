{# Time on ClickHouse: instants are DateTime64(6) of the session's zone, UTC; days are Date32. Both end with the year 2299. #}

{% macro clickhouse__parse_instant(text) -%}
    case
        when substring({{ text }}, 5, 1) = '-' then parseDateTime64BestEffortOrNull({{ text }}, 6)
        when length(splitByChar('.', ifNull({{ text }}, ''))[1]) >= 12 then fromUnixTimestamp64Micro(toInt64(toDecimal64OrNull({{ text }}, 3) * 1000))
        else fromUnixTimestamp64Micro(toInt64(toDecimal64OrNull({{ text }}, 6) * 1000000))
    end
{%- endmacro %}

{% macro clickhouse__epoch_instant(seconds) -%}
    fromUnixTimestamp64Micro(toInt64({{ seconds }}) * 1000000)
{%- endmacro %}

{% macro clickhouse__seconds_between(start, stop) -%}
    intDiv(toUnixTimestamp64Micro(toDateTime64({{ stop }}, 6)) - toUnixTimestamp64Micro(toDateTime64({{ start }}, 6)), 1000000)
{%- endmacro %}

{% macro clickhouse__local_time(instant, zone) -%}
    addSeconds({{ instant }}, timezoneOffset(toTimeZone({{ instant }}, {{ zone }})))
{%- endmacro %}

{% macro clickhouse__utc_time(local, zone) -%}
    toDateTime64(toTimeZone(toDateTime64(toString({{ local }}), 6, {{ zone }}), 'UTC'), 6)
{%- endmacro %}

{% macro clickhouse__add_days(day, days) -%}
    addDays({{ day }}, {{ days }})
{%- endmacro %}

{% macro clickhouse__add_months(instant, months) -%}
    addMonths({{ instant }}, {{ months }})
{%- endmacro %}

{% macro clickhouse__date_spine(first_day, last_day) -%}
    {{ clickhouse_spine('day', 'addDays', first_day, last_day) }}
{%- endmacro %}

{% macro clickhouse__month_spine(first, last) -%}
    {{ clickhouse_spine('month', 'addMonths', first, last) }}
{%- endmacro %}

{% macro clickhouse_spine(unit, add, first, last) -%}
    (
        select {{ add }}(first_one, number) as {{ unit }}
        from (
            select
                toDate32(assumeNotNull({{ first }})) as first_one,
                toDate32(assumeNotNull({{ last }})) as last_one
        ) as bounds
        array join range(0, dateDiff('{{ unit }}', first_one, last_one) + 1) as number
    )
{%- endmacro %}

{% macro clickhouse__iso_weekday(day) -%}
    toDayOfWeek({{ day }})
{%- endmacro %}

{% macro clickhouse__days_between(start, stop) -%}
    dateDiff('day', {{ start }}, {{ stop }})
{%- endmacro %}
