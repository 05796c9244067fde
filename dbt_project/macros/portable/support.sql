{# The calendar day of an instant on the support desk's clock. #}
{% macro support_date(instant) -%}
    {%- if var('support_timezone') == 'UTC' -%}
        cast({{ instant }} as date)
    {%- else -%}
        cast({{ local_time(instant, "'" ~ var('support_timezone') ~ "'") }} as date)
    {%- endif -%}
{%- endmacro %}

{# Business seconds from the beginning of time to an instant, on the row of int_business_days of its day. #}
{% macro business_seconds_until(instant, days) -%}
    ({{ days }}.business_seconds_before + least(greatest({{ seconds_between(days ~ '.opens_at', instant) }}, 0), {{ days }}.business_seconds))
{%- endmacro %}
