{#- Revenue recognised over the days of service. Columns of a revenue entry that these go by (fact_revenue):
    amount_minor, date_partition (the day on which it was booked), service_start_on, service_end_on (exclusive, at least a day later),
    recognised_from_on (the first day on which anything of it is recognised). -#}

{#- What has been recognised of an entry by the end of a day: net × days of service that have passed / all of them, half-up.
    Below 10^12 minor units 64 bits hold the product whatever the days: a twentieth of the time of wider integers. -#}
{%- macro recognised_by(entry, day) -%}
{%- set passed = '(' ~ days_between(entry ~ '.service_start_on', day) ~ ' + 1)' -%}
{%- set all_days = days_between(entry ~ '.service_start_on', entry ~ '.service_end_on') -%}
case
    when {{ day }} < {{ entry }}.recognised_from_on then 0
    when {{ day }} >= {{ add_days(entry ~ '.service_end_on', -1) }} then {{ entry }}.amount_minor
    when {{ entry }}.amount_minor between -1000000000000 and 1000000000000
        then {{ half_up_quotient('cast(' ~ entry ~ '.amount_minor as bigint) * ' ~ passed, all_days) }}
    else cast({{ half_up_quotient('cast(' ~ entry ~ '.amount_minor as ' ~ big_integer() ~ ') * ' ~ passed, all_days) }} as bigint)
end
{%- endmacro -%}

{#- The last day on which anything of an entry is recognised. -#}
{%- macro recognised_to_on(entry) -%}
greatest({{ add_days(entry ~ '.service_end_on', -1) }}, {{ entry }}.recognised_from_on)
{%- endmacro -%}
