-- one row per attempt at payment that failed (a charge that Stripe reports as failed), at its instant
with charges as (
    select * from {{ ref('int_charges') }}
    where status = 'failed'
),

final as (
    select
        {{ md5_id(['charge_id']) }} as id,
        charge_id,
        coalesce(customer_id, 'unknown') as customer_id,
        currency,
        failure_code,
        cast(amount_minor as bigint) as amount_minor,
        created_at as failed_at,
        {{ reporting_date('created_at') }} as date_partition
    from charges
    where created_at is not null
)

select * from final
