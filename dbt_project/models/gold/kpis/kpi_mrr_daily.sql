-- one row per day and currency: MRR at the day's end, and what moved it
with steps as (
    select * from {{ ref('int_customer_mrr_steps') }}
),

movements as (
    select * from {{ ref('fact_mrr_movements') }}
),

fx_rates as (
    select * from {{ ref('int_fx_rates') }}
),

currencies as (
    select * from {{ ref('currencies') }}
),

first_days as (
    select
        currency,
        min({{ reporting_date('valid_from') }}) as first_day
    from steps
    group by currency
),

days as (
    select spine.day as date_partition
    from {{ date_spine("(select min(first_day) from first_days)", last_day()) }} as spine
),

-- a step stands at the ends of the days from the one it begins on to the one before it ends
changes as (
    select
        currency,
        {{ reporting_date('valid_from') }} as date_partition,
        mrr_minor,
        list_mrr_minor,
        case when mrr_minor > 0 then 1 else 0 end as paying_customers
    from steps
    union all
    select
        currency,
        {{ reporting_date('valid_to') }} as date_partition,
        -mrr_minor as mrr_minor,
        -list_mrr_minor as list_mrr_minor,
        case when mrr_minor > 0 then -1 else 0 end as paying_customers
    from steps
    where valid_to < {{ end_of_time() }}
),

changes_of_day as (
    select
        currency,
        date_partition,
        sum(mrr_minor) as mrr_minor,
        sum(list_mrr_minor) as list_mrr_minor,
        sum(paying_customers) as paying_customers
    from changes
    group by currency, date_partition
),

levels as (
    select
        days.date_partition,
        first_days.currency,
        {%- for measure in ['mrr_minor', 'list_mrr_minor', 'paying_customers'] %}
        sum(coalesce(changes_of_day.{{ measure }}, 0)) over (
            partition by first_days.currency order by days.date_partition rows between unbounded preceding and current row
        ) as {{ measure }}{{ "," if not loop.last }}
        {%- endfor %}
    from days
    inner join first_days
        on days.date_partition >= first_days.first_day
    left join changes_of_day
        on first_days.currency = changes_of_day.currency and days.date_partition = changes_of_day.date_partition
),

movement_sums as (
    select
        date_partition,
        currency,
        {%- for type in ['new', 'expansion', 'contraction', 'churn', 'reactivation'] %}
        sum(case when movement_type = '{{ type }}' then amount_minor else 0 end) as {{ type }}_minor,
        {%- endfor %}
        sum(amount_reporting_minor) as movements_reporting_minor
    from movements
    group by date_partition, currency
),

valued as (
    select
        levels.*,
        {%- for type in ['new', 'expansion', 'contraction', 'churn', 'reactivation'] %}
        coalesce(movement_sums.{{ type }}_minor, 0) as {{ type }}_minor,
        {%- endfor %}
        coalesce(movement_sums.movements_reporting_minor, 0) as movements_reporting_minor,
        currencies.exponent,
        reporting.exponent as reporting_exponent,
        case
            when levels.mrr_minor = 0 then cast(0 as decimal(28, 6))
            else {{ to_reporting(
                'levels.mrr_minor', rate_or_error('fx_rates.rate_to_reporting', 'levels.currency', 'levels.date_partition'),
                'currencies.exponent', 'reporting.exponent',
            ) }}
        end as mrr_reporting_minor
    from levels
    left join movement_sums
        on levels.date_partition = movement_sums.date_partition and levels.currency = movement_sums.currency
    left join fx_rates
        on levels.currency = fx_rates.currency and levels.date_partition = fx_rates.date
    left join currencies
        on levels.currency = currencies.currency
    left join currencies as reporting
        on reporting.currency = '{{ var("reporting_currency") }}'
),

opened as (
    select
        *,
        lag(mrr_minor, 1, 0) over (partition by currency order by date_partition) as opening_mrr_minor,
        lag(mrr_reporting_minor, 1, 0) over (partition by currency order by date_partition) as opening_mrr_reporting_minor
    from valued
),

final as (
    select
        {{ md5_id(['date_partition', 'currency']) }} as id,
        date_partition,
        currency,
        cast(paying_customers as bigint) as paying_customers,
        cast(opening_mrr_minor as decimal(28, 6)) as opening_mrr_minor,
        {%- for type in ['new', 'expansion', 'contraction', 'churn', 'reactivation'] %}
        cast({{ type }}_minor as decimal(28, 6)) as {{ type }}_minor,
        {%- endfor %}
        cast(mrr_minor as decimal(28, 6)) as mrr_minor,
        cast(list_mrr_minor as decimal(28, 6)) as list_mrr_minor,
        cast({{ metric('arr', {'mrr': 'mrr_minor'}) }} as decimal(28, 6)) as arr_minor,
        cast(mrr_reporting_minor as decimal(28, 6)) as mrr_reporting_minor,
        cast({{ metric('arr', {'mrr': 'mrr_reporting_minor'}) }} as decimal(28, 6)) as arr_reporting_minor,
        cast(movements_reporting_minor as decimal(28, 6)) as movements_reporting_minor,
        cast(
            mrr_reporting_minor - opening_mrr_reporting_minor - movements_reporting_minor as decimal(28, 6)
        ) as fx_reporting_minor,
        {{ for_people('mrr_reporting_minor', 'reporting_exponent') }} as mrr_amount
    from opened
)

select * from final
