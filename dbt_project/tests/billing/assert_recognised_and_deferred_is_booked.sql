-- Σ recognised + deferred − unbilled = Σ net of fact_revenue, on every day and per currency, to the minor unit
with booked as (
    select
        date_partition,
        currency,
        sum(amount_minor) as booked_minor
    from {{ ref('fact_revenue') }}
    group by date_partition, currency
),

days as (
    select
        date_partition,
        currency,
        sum(recognised_minor) as recognised_minor,
        sum(deferred_minor - unbilled_minor) as balance_minor
    from {{ ref('fact_revenue_recognised_daily') }}
    group by date_partition, currency
),

so_far as (
    select
        date_partition,
        currency,
        days.balance_minor,
        sum(coalesce(days.recognised_minor, 0)) over (partition by currency order by date_partition) as recognised_minor,
        sum(coalesce(booked.booked_minor, 0)) over (partition by currency order by date_partition) as booked_minor
    from days
    full outer join booked
        using (date_partition, currency)
)

select date_partition, currency, booked_minor, recognised_minor, balance_minor
from so_far
where recognised_minor + coalesce(balance_minor, 0) <> booked_minor
