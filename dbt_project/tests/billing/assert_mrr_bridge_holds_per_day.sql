-- opening + all movements = closing, exactly, per currency and day; ARR is twelve times MRR
select date_partition, currency, opening_mrr_minor, mrr_minor
from {{ ref('kpi_mrr_daily') }}
where
    opening_mrr_minor + new_minor + expansion_minor + contraction_minor + churn_minor + reactivation_minor <> mrr_minor
    or arr_minor <> 12 * mrr_minor
    or arr_reporting_minor <> 12 * mrr_reporting_minor
