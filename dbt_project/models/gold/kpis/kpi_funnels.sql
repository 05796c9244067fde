-- one row per funnel and step.
--
-- Steps are ordered, each strictly after the one before and within the funnel's window after its first step; a customer counts
-- once. Only customers whose window is over are counted, so that the young ones are no drop.

{% set windows = {'activation': var('activation_days'), 'monetisation': 30} %}

with

customers as (

    select * from {{ ref('dim_customers') }}
    where customer_source = 'product'

),

logins as (

    select
        customer_id,
        logged_in_at as happened_at
    from {{ ref('int_logins') }}

),

successful_calls as {{ read_anew() }} (

    select
        source_customer_id as customer_id,
        called_at as happened_at
    from {{ ref('int_api_calls') }}
    where response_code < 400

),

first_payments as (

    select
        customer_id,
        min(occurred_at) as happened_at
    from {{ ref('fact_mrr_movements') }}
    where movement_type = 'new'
    group by customer_id

),

{% set funnels = {
    'activation': [('signed up', none), ('logged in', 'logins'), ('made a successful call', 'successful_calls')],
    'monetisation': [('signed up', none), ('made a successful call', 'successful_calls'), ('pays', 'first_payments')],
} %}

{% for funnel, steps in funnels.items() %}
{% for title, events in steps %}
{{ funnel }}_{{ loop.index }} as (

    {% if loop.first %}
    select
        customer_id,
        signup_date as signed_up_at,
        signup_date as step_at,
        0 as seconds_since_step_before
    from customers
    where {{ add_days(reporting_date('signup_date'), windows[funnel]) }} <= {{ last_day() }}
    {% else %}
    -- the first time after the step before: who had done it earlier already can do it again
    select
        before.customer_id,
        before.signed_up_at,
        min({{ events }}.happened_at) as step_at,
        min({{ seconds_between('before.step_at', events ~ '.happened_at') }}) as seconds_since_step_before
    from {{ funnel }}_{{ loop.index0 }} as before
    inner join {{ events }}
        on
            before.customer_id = {{ events }}.customer_id
            and {{ events }}.happened_at > before.step_at
            and {{ seconds_between('before.signed_up_at', events ~ '.happened_at') }} <= {{ windows[funnel] }} * 86400
    group by before.customer_id, before.signed_up_at
    {% endif %}

),
{% endfor %}
{% endfor %}

steps as (

    {% for funnel, steps in funnels.items() %}
    {% set outer_loop = loop %}
    {% for title, instant in steps %}
    select
        '{{ funnel }}' as funnel,
        {{ loop.index }} as step_number,
        '{{ title }}' as step_name,
        count(*) as customers,
        {{ percentile('seconds_since_step_before', 0.5) }} / 3600.0 as hours_since_step_before_median
    from {{ funnel }}_{{ loop.index }}
    {% if not (outer_loop.last and loop.last) %}union all{% endif %}
    {% endfor %}
    {% endfor %}

),

final as (

    select
        {{ md5_id(['funnel', 'step_number']) }} as id,
        funnel,
        cast(step_number as integer) as step_number,
        step_name,
        cast(customers as bigint) as customers,
        {{ rate('customers', 'first_value(customers) over (partition by funnel order by step_number)') }} as conversion_from_start,
        {{ rate('customers', 'lag(customers) over (partition by funnel order by step_number)') }} as conversion_from_step_before,
        case when step_number > 1 then cast(hours_since_step_before_median as double) end as hours_since_step_before_median
    from steps

)

select * from final
order by funnel, step_number
