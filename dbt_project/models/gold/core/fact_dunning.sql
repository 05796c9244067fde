-- one row per invoice of which a payment failed: whether it was paid after all, was given up, or is still tried
with failures as (
    select * from {{ ref('int_invoice_failures') }}
),

invoices as (
    select * from {{ ref('int_invoices') }}
),

subscriptions as (
    select
        subscription_id,
        {{ arg_max('status', 'version_number') }} as status
    from {{ ref('int_subscription_versions') }}
    group by subscription_id
),

judged as (
    select
        invoices.*,
        failures.first_failed_at,
        failures.is_inferred,
        failures.amount_minor,
        case
            when invoices.status = 'paid' then 'recovered'
            when invoices.status in ('void', 'uncollectible') then 'lost'
            -- nobody tries again for a subscription that has been given up
            when invoices.next_attempt_at is null and subscriptions.status in ('canceled', 'unpaid', 'incomplete_expired')
                then 'lost'
            else 'open'
        end as outcome
    from failures
    inner join invoices
        on failures.invoice_id = invoices.invoice_id
    left join subscriptions
        on invoices.subscription_id = subscriptions.subscription_id
),

final as (
    select
        {{ md5_id(['invoice_id']) }} as id,
        invoice_id as stripe_invoice_id,
        customer_id,
        subscription_id,
        currency,
        outcome,
        is_inferred,
        cast(coalesce(attempt_count, 0) as bigint) as attempts,
        cast(amount_minor as bigint) as amount_minor,
        first_failed_at,
        next_attempt_at,
        case when outcome = 'recovered' then paid_at end as recovered_at,
        case
            when outcome = 'recovered' then cast({{ seconds_between('first_failed_at', 'paid_at') }} as double) / 86400
        end as days_to_recover,
        {{ reporting_date('first_failed_at') }} as date_partition
    from judged
)

select * from final
