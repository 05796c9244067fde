{# Ratios and rolling figures that several KPIs share. #}

{# A rate: NULL, never 0, where there is nothing to divide by. #}
{% macro rate(numerator, denominator) -%}
    cast(cast({{ numerator }} as double) / nullif({{ denominator }}, 0) as double)
{%- endmacro %}

{# Days on which a customer counts as active within a trailing window, as +1 / -1 steps that add up over the days:
   an active day covers itself and the window's remaining days, up to the next active day. `days` has one row per
   customer and active day. #}
{% macro active_steps(days, window) -%}
    select
        date_partition as day,
        1 as step
    from {{ days }}
    union all
    select
        least(
            {{ add_days('date_partition', window) }},
            coalesce(
                lead(date_partition) over (partition by customer_id order by date_partition),
                {{ add_days('date_partition', window) }}
            )
        ) as day,
        -1 as step
    from {{ days }}
{%- endmacro %}

{# Rows (key columns, bucket, calls) of a relation with a latency histogram per row. #}
{% macro histogram_rows(relation, columns) -%}
    {{ return(adapter.dispatch('histogram_rows', 'warehouse')(relation, columns)) }}
{%- endmacro %}

{% macro duckdb__histogram_rows(relation, columns) -%}
    select
        {{ columns | join(', ') }},
        unnest(map_keys(latency_histogram)) as bucket,
        unnest(map_values(latency_histogram)) as calls
    from {{ relation }}
{%- endmacro %}

{% macro spark__histogram_rows(relation, columns) -%}
    select {{ columns | join(', ') }}, explode(latency_histogram) as (bucket, calls) from {{ relation }}
{%- endmacro %}

{# The latency below which a share of the calls lies, out of rows (bucket, calls, calls_up_to, all_calls) of one group:
   the value that stands for the first bucket that reaches the share (within 5 % of the true one). #}
{% macro percentile_of_buckets(share) -%}
    {%- set bucket = 'min(case when calls_up_to >= ' ~ share ~ ' * all_calls then bucket end)' -%}
    cast({{ latency_of_bucket(bucket) }} as double)
{%- endmacro %}


{# Sums of a daily number before a date, as columns with a comma each: of windows of days (<name>_30d), of the 30 days before the
   last 30, fading (a day's weight is halved every so many days; <name>_half_7d), and of all. #}
{% macro sums_by_age(value, day, until, name, windows, half_lives) %}
{% for days in windows %}
sum({{ value }}) filter (where {{ day }} >= {{ add_days(until, -days) }}) as {{ name }}_{{ days }}d,
{% endfor %}
sum({{ value }}) filter (
    where {{ day }} >= {{ add_days(until, -60) }} and {{ day }} < {{ add_days(until, -30) }}
) as {{ name }}_30d_before,
{% for days in half_lives %}
sum({{ value }} * power(0.5, {{ days_between(day, until) }} / {{ days }}e0)) as {{ name }}_half_{{ days }}d,
{% endfor %}
sum({{ value }}) as {{ name }}_ever,
{% endmacro %}
