{# Instants are TIMESTAMP in UTC; days, weeks and months are those of the reporting time zone. #}

{# A UTC instant out of text: ISO 8601 with a zone, or seconds or milliseconds since 1970. Text without a zone is UTC;
   landing's checks have set aside what must have one, and what is no instant. Branches are tried ahead of their condition on repeated
   values, hence the attempts (`try_cast`). #}
{% macro parse_instant(text) -%}
    {{ return(adapter.dispatch('parse_instant', 'warehouse')(text)) }}
{%- endmacro %}

{% macro duckdb__parse_instant(text) -%}
    case
        when substr({{ text }}, 5, 1) = '-' then timezone('UTC', try_cast({{ text }} as timestamptz))
        when strlen(split_part({{ text }}, '.', 1)) >= 12 then make_timestamp(cast(try_cast({{ text }} as decimal(20, 3)) * 1000 as bigint))
        else make_timestamp(cast(try_cast({{ text }} as decimal(20, 6)) * 1000000 as bigint))
    end
{%- endmacro %}

{% macro spark__parse_instant(text) -%}
    case
        when substr({{ text }}, 5, 1) = '-' then cast({{ text }} as timestamp)
        when length(split_part({{ text }}, '.', 1)) >= 12 then timestamp_millis(cast({{ text }} as bigint))
        else timestamp_micros(cast(cast({{ text }} as decimal(20, 6)) * 1000000 as bigint))
    end
{%- endmacro %}

{# A UTC instant out of whole seconds since 1970 (Stripe's way). #}
{% macro epoch_instant(seconds) -%}
    {{ return(adapter.dispatch('epoch_instant', 'warehouse')(seconds)) }}
{%- endmacro %}

{% macro duckdb__epoch_instant(seconds) -%}
    make_timestamp(cast({{ seconds }} as bigint) * 1000000)
{%- endmacro %}

{% macro spark__epoch_instant(seconds) -%}
    timestamp_seconds(cast({{ seconds }} as bigint))
{%- endmacro %}

{# Seconds from one instant to another, as a whole number. #}
{% macro seconds_between(start, stop) -%}
    {{ return(adapter.dispatch('seconds_between', 'warehouse')(start, stop)) }}
{%- endmacro %}

{% macro duckdb__seconds_between(start, stop) -%}
    ((epoch_us({{ stop }}) - epoch_us({{ start }})) // 1000000)
{%- endmacro %}

{% macro spark__seconds_between(start, stop) -%}
    ((unix_micros({{ stop }}) - unix_micros({{ start }})) div 1000000)
{%- endmacro %}

{# An instant on the wall clock of a time zone, as a TIMESTAMP without one. #}
{% macro local_time(instant, zone) -%}
    {{ return(adapter.dispatch('local_time', 'warehouse')(instant, zone)) }}
{%- endmacro %}

{% macro duckdb__local_time(instant, zone) -%}
    timezone({{ zone }}, timezone('UTC', {{ instant }}))
{%- endmacro %}

{% macro spark__local_time(instant, zone) -%}
    from_utc_timestamp({{ instant }}, {{ zone }})
{%- endmacro %}

{# The UTC instant of a time on the wall clock of a zone. #}
{% macro utc_time(local, zone) -%}
    {{ return(adapter.dispatch('utc_time', 'warehouse')(local, zone)) }}
{%- endmacro %}

{% macro duckdb__utc_time(local, zone) -%}
    timezone('UTC', timezone({{ zone }}, {{ local }}))
{%- endmacro %}

{% macro spark__utc_time(local, zone) -%}
    to_utc_timestamp({{ local }}, {{ zone }})
{%- endmacro %}

{# The calendar day of an instant in the reporting time zone. In UTC a plain cast, so that days are pruned on disk. #}
{% macro reporting_date(instant) -%}
    {%- if var('reporting_timezone') == 'UTC' -%}
        cast({{ instant }} as date)
    {%- else -%}
        cast({{ local_time(instant, "'" ~ var('reporting_timezone') ~ "'") }} as date)
    {%- endif -%}
{%- endmacro %}

{# The UTC instant at which a day of the reporting time zone begins. #}
{% macro day_start(day) -%}
    {%- if var('reporting_timezone') == 'UTC' -%}
        cast({{ day }} as timestamp)
    {%- else -%}
        {{ utc_time('cast(' ~ day ~ ' as timestamp)', "'" ~ var('reporting_timezone') ~ "'") }}
    {%- endif -%}
{%- endmacro %}

{# Now, as the warehouse counts it: everything that is known happened before it. #}
{% macro as_of() -%}
    cast('{{ warehouse_now() }}' as timestamp)
{%- endmacro %}

{#
    The same as text. It comes by the environment and is read when a query is compiled, not when the project is parsed:
    dbt parses everything again where a variable has changed, and this one changes with each build. Unit tests set `as_of`.
#}
{% macro warehouse_now() -%}
    {{ return(var('as_of', env_var('WAREHOUSE_NOW', '2025-07-01 00:00:00') if execute else '2025-07-01 00:00:00')) }}
{%- endmacro %}

{# The last calendar day that is over at `as_of`. #}
{% macro last_day() -%}
    {{ add_days(reporting_date(as_of()), -1) }}
{%- endmacro %}

{# A day some days later (or earlier). #}
{% macro add_days(day, days) -%}
    {{ return(adapter.dispatch('add_days', 'warehouse')(day, days)) }}
{%- endmacro %}

{% macro duckdb__add_days(day, days) -%}
    ({{ day }} + cast({{ days }} as integer))
{%- endmacro %}

{% macro spark__add_days(day, days) -%}
    date_add({{ day }}, cast({{ days }} as int))
{%- endmacro %}

{# Rows `day`, one per calendar day from the first to the last, both included: `from {{ date_spine('a', 'b') }} as days`. #}
{% macro date_spine(first_day, last_day) -%}
    {{ return(adapter.dispatch('date_spine', 'warehouse')(first_day, last_day)) }}
{%- endmacro %}

{% macro duckdb__date_spine(first_day, last_day) -%}
    (select cast(unnest(generate_series(cast({{ first_day }} as timestamp), cast({{ last_day }} as timestamp), interval 1 day)) as date) as day)
{%- endmacro %}

{% macro spark__date_spine(first_day, last_day) -%}
    (select explode(sequence(cast({{ first_day }} as date), cast({{ last_day }} as date), interval 1 day)) as day)
{%- endmacro %}

{# 1 Monday to 7 Sunday. #}
{% macro iso_weekday(day) -%}
    {{ return(adapter.dispatch('iso_weekday', 'warehouse')(day)) }}
{%- endmacro %}

{% macro duckdb__iso_weekday(day) -%}
    isodow({{ day }})
{%- endmacro %}

{% macro spark__iso_weekday(day) -%}
    (weekday({{ day }}) + 1)
{%- endmacro %}

{# Days from one day to another, as a whole number. #}
{% macro days_between(start, stop) -%}
    {{ return(adapter.dispatch('days_between', 'warehouse')(start, stop)) }}
{%- endmacro %}

{% macro duckdb__days_between(start, stop) -%}
    ({{ stop }} - {{ start }})
{%- endmacro %}

{% macro spark__days_between(start, stop) -%}
    datediff({{ stop }}, {{ start }})
{%- endmacro %}
