{#- Exact integer arithmetic: a decimal division would go through floating point. -#}

{%- macro big_integer() -%}{{ return(adapter.dispatch('big_integer', 'warehouse')()) }}{%- endmacro -%}
{%- macro default__big_integer() -%}hugeint{%- endmacro -%}
{%- macro spark__big_integer() -%}decimal(38, 0){%- endmacro -%}

{#- floor(a / b) of whole numbers, b > 0; also right for a < 0. -#}
{%- macro floor_quotient(a, b) -%}{{ return(adapter.dispatch('floor_quotient', 'warehouse')(a, b)) }}{%- endmacro -%}
{%- macro default__floor_quotient(a, b) -%}
((({{ a }}) - (((({{ a }}) % ({{ b }})) + ({{ b }})) % ({{ b }}))) // ({{ b }}))
{%- endmacro -%}
{#- Spark's `div` has 64 bits for the quotient, whatever is divided; more is an error. -#}
{%- macro spark__floor_quotient(a, b) -%}
((({{ a }}) - pmod({{ a }}, {{ b }})) div ({{ b }}))
{%- endmacro -%}

{#- a / b of whole numbers rounded half-up (away from zero), b > 0. -#}
{%- macro half_up_quotient(a, b) -%}{{ return(adapter.dispatch('half_up_quotient', 'warehouse')(a, b)) }}{%- endmacro -%}
{%- macro default__half_up_quotient(a, b) -%}
(sign({{ a }}) * ((2 * abs({{ a }}) + ({{ b }})) // (2 * ({{ b }}))))
{%- endmacro -%}
{%- macro spark__half_up_quotient(a, b) -%}
(case when {{ a }} < 0 then -1 else 1 end * ((2 * abs({{ a }}) + ({{ b }})) div (2 * ({{ b }}))))
{%- endmacro -%}

{#- Minor units of a currency as minor units of the reporting currency, 6 places (half-up): amount × rate × 10^(exponents'
    difference). Each difference has a factor of its own width: one wide enough for all of them would leave 10^15 no room. -#}
{%- macro to_reporting(amount, rate, exponent, reporting_exponent) -%}
{%- set product = 'cast(' ~ amount ~ ' as decimal(28, 6)) * cast(' ~ rate ~ ' as decimal(20, 12))' -%}
case
    when {{ rate }} = 1 and {{ reporting_exponent }} = {{ exponent }} then cast({{ amount }} as decimal(28, 6))
    when {{ reporting_exponent }} = {{ exponent }} then cast({{ product }} as decimal(28, 6))
    {%- for difference in [-3, -2, -1, 1, 2, 3] %}
    when {{ reporting_exponent }} - {{ exponent }} = {{ difference }}
        then cast({{ product }} * {{ ['0.001', '0.01', '0.1', '', '10', '100', '1000'][difference + 3] }} as decimal(28, 6))
    {%- endfor %}
end
{%- endmacro -%}

{#- Minor units as an amount for people: a decimal of the major unit. -#}
{%- macro for_people(amount, exponent) -%}
cast(
    cast({{ amount }} as decimal(28, 6))
    * cast(case {{ exponent }} when 0 then 1 when 1 then 0.1 when 2 then 0.01 when 3 then 0.001 end as decimal(8, 3))
    as decimal(28, 6)
)
{%- endmacro -%}

{#- Twelfths of a period's amount (12 places) as millionths of a month's minor unit, half-up:
    twelfths / (12 × count) / (1 + tax), with divisor = 12 × count × (100 + percent) × 10^6. -#}
{%- macro millionths(twelfths, divisor) -%}
cast({{ half_up_quotient(
    'cast(' ~ twelfths ~ ' * cast(1000000000 as decimal(10, 0)) as ' ~ big_integer() ~ ') * 100000', divisor
) }} as decimal(24, 0))
{%- endmacro -%}
