-- opening + all movements = closing, exactly, per customer, currency and month; and a month opens as the one before closed
with customer_months as (
    select * from {{ ref('fact_customer_months') }}
),

chained as (
    select
        *,
        lag(closing_mrr_minor) over (partition by customer_id, currency order by month) as closed_before,
        lag(month) over (partition by customer_id, currency order by month) as month_before
    from customer_months
)

select customer_id, currency, month, opening_mrr_minor, closing_mrr_minor, closed_before
from chained
where
    opening_mrr_minor + new_minor + expansion_minor + contraction_minor + churn_minor + reactivation_minor <> closing_mrr_minor
    or opening_mrr_reporting_minor + new_reporting_minor + expansion_reporting_minor + contraction_reporting_minor
    + churn_reporting_minor + reactivation_reporting_minor + fx_reporting_minor <> closing_mrr_reporting_minor
    or (month_before = {{ month_of(add_days('month', -1)) }} and opening_mrr_minor <> closed_before)
    or (coalesce(month_before, cast('1970-01-01' as date)) <> {{ month_of(add_days('month', -1)) }} and opening_mrr_minor <> 0)
