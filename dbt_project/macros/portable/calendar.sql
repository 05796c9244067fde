{#- Calendar units of billing, beside time.sql. -#}

{%- macro month_of(day) -%}cast(date_trunc('month', {{ day }}) as date){%- endmacro -%}
{%- macro next_month(month) -%}cast({{ month }} + interval '1' month as date){%- endmacro -%}

{#- Rows `month`, one per first day of a month, both ends included. -#}
{%- macro month_spine(first, last) -%}{{ return(adapter.dispatch('month_spine', 'warehouse')(first, last)) }}{%- endmacro -%}
{%- macro default__month_spine(first, last) -%}
(select cast(unnest(generate_series(cast({{ first }} as timestamp), cast({{ last }} as timestamp), interval 1 month)) as date) as month)
{%- endmacro -%}
{%- macro spark__month_spine(first, last) -%}
(select explode(sequence(cast({{ first }} as date), cast({{ last }} as date), interval 1 month)) as month)
{%- endmacro -%}

{#- The last day of which any instant lies before now. -#}
{%- macro last_known_day() -%}{{ reporting_date("(" ~ as_of() ~ " - interval '1' second)") }}{%- endmacro -%}
{%- macro end_of_time() -%}cast('9999-12-31' as timestamp){%- endmacro -%}

{%- macro add_months(instant, months) -%}{{ return(adapter.dispatch('add_months', 'warehouse')(instant, months)) }}{%- endmacro -%}
{%- macro default__add_months(instant, months) -%}({{ instant }} + to_months(cast({{ months }} as integer))){%- endmacro -%}
{%- macro spark__add_months(instant, months) -%}({{ instant }} + make_ym_interval(0, cast({{ months }} as int))){%- endmacro -%}

{#- Whole months from one first day of a month to another. -#}
{%- macro months_between(first, last) -%}
((extract(year from {{ last }}) - extract(year from {{ first }})) * 12 + extract(month from {{ last }}) - extract(month from {{ first }}))
{%- endmacro -%}
