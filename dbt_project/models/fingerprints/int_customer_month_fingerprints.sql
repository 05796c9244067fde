-- one row per customer: a fingerprint of all that its months are made of
-- (it reads facts, so it is built with gold)
with steps as (
    select * from {{ ref('int_customer_mrr_steps') }}
),

movements as (
    select * from {{ ref('fact_mrr_movements') }}
),

mrr_history as (
    select * from {{ ref('fact_mrr_history') }}
),

revenue as (
    select * from {{ ref('fact_revenue') }}
),

versions as (
    select * from {{ ref('dim_customers_history') }}
),

fx_rates as (
    select * from {{ ref('int_fx_rates') }}
),

bounds as (
    select {{ month_of('min(' ~ reporting_date('valid_from') ~ ')') }} as first_month from steps
),

-- rates of the ends of months that are over: a customer's months go by those of its currencies
month_ends as (
    select {{ add_days('month', -1) }} as rate_on
    from {{ month_spine("(select first_month from bounds)", month_of(last_known_day())) }} as months
),

currency_prints as (
    select
        fx_rates.currency,
        sum({{ row_print(['fx_rates.date', 'fx_rates.rate_to_reporting']) }}) as print
    from fx_rates
    inner join month_ends
        on fx_rates.date = month_ends.rate_on
    group by fx_rates.currency
),

customer_currencies as (
    select
        customer_id,
        currency
    from steps
    group by customer_id, currency
),

prints as (
    {%- set inputs = {
        'steps': ['currency', 'valid_from', 'valid_to', 'mrr_minor', 'list_mrr_minor', 'mrr_change_minor'],
        'movements': ['currency', 'movement_type', 'date_partition', 'amount_minor', 'amount_reporting_minor'],
        'mrr_history': ['plan_name', 'product_name', 'currency', 'valid_from', 'valid_to', 'mrr_minor', 'list_mrr_minor'],
        'revenue': [
            'date_partition', 'currency', 'revenue_type', 'amount_minor', 'service_start_on', 'service_end_on', 'recognised_from_on',
        ],
        'versions': ['industry', 'tier', 'country', 'valid_from', 'valid_to'],
    } %}
    {%- for relation, columns in inputs.items() %}
    select
        customer_id,
        {{ row_print(["'" ~ relation ~ "'"] + columns) }} as print
    from {{ relation }}
    union all
    {%- endfor %}
    select
        customer_currencies.customer_id,
        currency_prints.print
    from customer_currencies
    inner join currency_prints
        on customer_currencies.currency = currency_prints.currency
),

final as (
    select
        customer_id,
        sum(print) as fingerprint
    from prints
    where customer_id is not null
    group by customer_id
)

select * from final
