-- one row per day and health band, from the first customer to the last day that is over.

with

health as (

    select
        date_partition,
        health_score,
        case
            when health_score >= 90 then 'Excellent'
            when health_score >= 70 then 'Good'
            when health_score >= 50 then 'At Risk'
            when health_score is not null then 'Critical'
            else 'Not scored'
        end as health_band
    from {{ ref('fact_customer_health') }}

),

bands as (

    select
        date_partition as day,
        health_band,
        count(*) as customers,
        {{ simple_metric('mean_health_score') }} as health_score_mean
    from health
    group by date_partition, health_band

),

final as (

    select
        {{ md5_id(['day', 'health_band']) }} as id,
        day,
        health_band,
        cast(customers as bigint) as customers,
        {{ rate('customers', 'sum(customers) over (partition by day)') }} as share_of_customers,
        cast(health_score_mean as double) as health_score_mean
    from bands

)

select * from final
order by day, health_band
