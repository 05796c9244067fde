-- title: Failed payments and what was won back
-- description: Invoices whose payment failed, by month and currency; how many were paid after all, given up, or are still tried.
-- chart: {kind: bar, x: month, y: failed_invoices, color: currency}
select
    month_start_on as month,
    currency,
    failed_invoices,
    recovered_invoices,
    lost_invoices,
    open_invoices,
    round(recovery_rate, 3) as recovery_rate,
    round(mean_days_to_recover, 1) as mean_days_to_recover,
    involuntary_churned_customers
from gold.kpi_dunning_monthly
order by month, currency
