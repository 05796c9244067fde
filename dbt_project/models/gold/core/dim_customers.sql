-- one row per customer as it stands now: every account of the product, Stripe customers without one, and the unknown member.

with

accounts as (

    select * from {{ ref('int_accounts') }}

),

links as (

    select * from {{ ref('int_customer_links') }}

),

mrr_steps as (

    select * from {{ ref('int_customer_mrr_steps') }}
    where valid_from < {{ as_of() }} and {{ as_of() }} <= coalesce(valid_to, cast('9999-12-31' as timestamp))

),

usage_days as (

    select * from {{ ref('int_customer_usage_daily') }}

),

-- what is paid now is valued at the newest rate there is, and `mrr_rate_on` says of which day it is; a currency that never
-- had a rate is an error
rates as (

    select
        currency,
        max(date) as rate_on,
        {{ arg_max('rate_to_reporting', 'date') }} as rate_to_reporting
    from {{ ref('int_fx_rates') }}
    where date <= {{ last_day() }}
    group by currency

),

currencies as (

    select * from {{ ref('currencies') }}

),

stripe_customers as (

    select
        customer_id,
        count(*) as stripe_customers,
        {{ arg_min('email', '(created_at, stripe_customer_id)') }} as email,
        {{ arg_min('currency', '(created_at, stripe_customer_id)') }} as currency,
        min(created_at) as created_at,
        case when count(*) = count(deleted_at) then max(deleted_at) end as deleted_at
    from links
    group by customer_id

),

first_calls as (

    select
        source_customer_id as customer_id,
        min(first_called_at) as first_called_at,
        min(first_success_at) as first_success_at
    from usage_days
    group by source_customer_id

),

mrr_by_currency as (

    select
        mrr_steps.customer_id,
        mrr_steps.currency,
        currencies.exponent,
        sum(mrr_steps.mrr_minor) as mrr_minor,
        sum(mrr_steps.list_mrr_minor) as list_mrr_minor,
        sum(
            case when mrr_steps.mrr_minor = 0 then 0 else
                {{ to_reporting(
                    'mrr_steps.mrr_minor', rate_or_error('rates.rate_to_reporting', 'mrr_steps.currency', last_day()),
                    'currencies.exponent', 'reporting.exponent',
                ) }}
            end
        ) as mrr_reporting_minor,
        max(rates.rate_on) as rate_on
    from mrr_steps
    left join rates
        on mrr_steps.currency = rates.currency
    left join currencies
        on mrr_steps.currency = currencies.currency
    left join currencies as reporting
        on reporting.currency = '{{ var("reporting_currency") }}'
    group by mrr_steps.customer_id, mrr_steps.currency, currencies.exponent

),

-- few customers pay in two currencies: their own is the one that weighs most, the reporting amount has both
customer_mrr as (

    select
        customer_id,
        {{ arg_max('currency', '(mrr_reporting_minor, currency)') }} as currency,
        {{ arg_max('exponent', '(mrr_reporting_minor, currency)') }} as exponent,
        {{ arg_max('mrr_minor', '(mrr_reporting_minor, currency)') }} as mrr_minor,
        {{ arg_max('list_mrr_minor', '(mrr_reporting_minor, currency)') }} as list_mrr_minor,
        sum(mrr_reporting_minor) as mrr_reporting_minor,
        min(rate_on) as rate_on
    from mrr_by_currency
    group by customer_id

),

members as (

    select
        accounts.customer_id,
        'product' as customer_source,
        accounts.email,
        accounts.company_name,
        accounts.industry,
        accounts.country,
        accounts.tier,
        accounts.signup_at,
        accounts.created_at,
        accounts.updated_at,
        accounts.deleted_at
    from accounts
    union all
    select
        stripe_customers.customer_id,
        'stripe' as customer_source,
        stripe_customers.email,
        cast(null as string) as company_name,
        cast(null as string) as industry,
        cast(null as string) as country,
        cast(null as string) as tier,
        stripe_customers.created_at as signup_at,
        stripe_customers.created_at,
        stripe_customers.created_at as updated_at,
        stripe_customers.deleted_at
    from stripe_customers
    where stripe_customers.customer_id not in (select customer_id from accounts)
    union all
    select
        'unknown' as customer_id,
        'unknown' as customer_source,
        cast(null as string) as email,
        'Unknown customer' as company_name,
        cast(null as string) as industry,
        cast(null as string) as country,
        cast(null as string) as tier,
        cast(null as timestamp) as signup_at,
        cast(null as timestamp) as created_at,
        cast(null as timestamp) as updated_at,
        cast(null as timestamp) as deleted_at

),

final as (

    select
        {{ md5_id(['members.customer_id']) }} as id,
        members.customer_id,
        members.customer_source,
        members.email,
        members.company_name,
        members.industry,
        members.country,
        members.tier,
        coalesce(customer_mrr.currency, stripe_customers.currency) as currency,
        cast(coalesce(stripe_customers.stripe_customers, 0) as bigint) as stripe_customer_count,
        members.deleted_at is not null as is_deleted,
        coalesce(customer_mrr.mrr_minor, 0) > 0 as is_paying,
        cast(coalesce(
            {{ for_people('customer_mrr.mrr_minor', 'customer_mrr.exponent') }}, 0
        ) as decimal(28, 6)) as mrr,
        cast(coalesce(customer_mrr.mrr_minor, 0) as decimal(28, 6)) as mrr_minor,
        cast(coalesce(customer_mrr.list_mrr_minor, 0) as decimal(28, 6)) as list_mrr_minor,
        cast(coalesce(customer_mrr.mrr_reporting_minor, 0) as decimal(28, 6)) as mrr_reporting_minor,
        case when customer_mrr.mrr_minor > 0 then customer_mrr.rate_on end as mrr_rate_on,
        members.signup_at as signup_date,
        first_calls.first_called_at as first_api_call_date,
        first_calls.first_success_at as activated_at,
        members.created_at,
        members.updated_at,
        members.deleted_at
    from members
    left join stripe_customers
        on members.customer_id = stripe_customers.customer_id
    left join customer_mrr
        on members.customer_id = customer_mrr.customer_id
    left join first_calls
        on members.customer_id = first_calls.customer_id

)

select * from final
