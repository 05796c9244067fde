-- amounts of a currency whose minor unit is not in the seed cannot be read: name it
select known.source, known.currency, count(*) as row_count
from (
    select 'invoice' as source, currency from {{ ref('int_invoices') }}
    union all
    select 'subscription' as source, currency from {{ ref('int_subscription_versions') }}
    union all
    select 'charge' as source, currency from {{ ref('int_charges') }}
) as known
left join {{ ref('currencies') }} as currencies
    on known.currency = currencies.currency
where currencies.currency is null and known.currency is not null
group by known.source, known.currency
