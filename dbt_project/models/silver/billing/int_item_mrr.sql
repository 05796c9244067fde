-- one row per subscription item and stretch of time: its list and net MRR in minor units, six places (METRICS.md §1)
{{ config(
    materialized='incremental',
    incremental_strategy='replace_changed',
    unique_key='customer_id',
    fingerprints='int_customer_mrr_fingerprints',
    post_hook=take_in('int_customer_mrr_fingerprints'),
    by_rounds=['taken'],
) }}
-- depends_on: {{ ref('int_customer_mrr_fingerprints') }}
with recursive
{%- if is_incremental() %}
changed as (
    {{ changed_keys('int_customer_mrr_fingerprints', 'customer_id') }}
),
{%- endif %}

segments as (
    select segments.*
    from {{ ref('int_item_segments') }} as segments
    {%- if is_incremental() %}
    inner join changed
        on segments.customer_id = changed.customer_id
    {%- endif %}
),

discounts as (
    select * from {{ ref('int_item_discounts') }}
),

-- a status, a pause or a request to cancel can take all of it away
{%- set counting = ['active'] %}
{%- do counting.append('past_due') if var('past_due_counts_as_mrr') %}
{%- do counting.append('trialing') if var('trials_count_as_mrr') %}
judged as (
    select
        *,
        coalesce(usage_type, 'licensed') <> 'metered' and price_type = 'recurring' and recurring_interval is not null
            as is_recurring,
        case
            when status not in ('{{ counting | join("', '") }}') then status
            {%- if not var('paused_counts_as_mrr') %}
            when is_collection_paused then 'paused'
            {%- endif %}
            {%- if var('churn_recognition') == 'cancellation' %}
            when is_cancel_asked then 'cancellation asked'
            {%- endif %}
            {%- if not var('trials_count_as_mrr') %}
            when is_item_trial then 'trialing'
            {%- endif %}
        end as zero_reason,
        -- amounts per period times `per_twelve` over twelve times the interval's count are amounts per month
        case recurring_interval
            when 'month' then 12 when 'year' then 1
            when 'week' then {{ var('weeks_per_year') }} when 'day' then {{ var('days_per_year') }}
        end as per_twelve,
        case
            when divide_by > 1 and round_direction = 'up' then {{ whole_quotient('quantity + divide_by - 1', 'divide_by') }}
            when divide_by > 1 then {{ whole_quotient('quantity', 'divide_by') }}
            else quantity
        end as billed_quantity
    from segments
),

tier_elements as (
    {{ each_element(
        'judged', ['subscription_id', 'subscription_item_id', 'valid_from', 'billed_quantity', 'tiers_mode'], 'tiers_json'
    ) }}
),

tiers as (
    select
        subscription_id,
        subscription_item_id,
        valid_from,
        billed_quantity,
        tiers_mode,
        coalesce({{ decimal_at('element', 'unit_amount_decimal') }}, {{ decimal_at('element', 'unit_amount') }}, 0) as unit_minor,
        coalesce({{ decimal_at('element', 'flat_amount_decimal') }}, {{ decimal_at('element', 'flat_amount') }}, 0) as flat_minor,
        {{ whole_at('element', 'up_to') }} as up_to,
        coalesce(
            lag({{ whole_at('element', 'up_to') }}) over (
                partition by subscription_id, subscription_item_id, valid_from order by position
            ), 0
        ) as above
    from tier_elements
),

-- graduated: each tier asks for what lies within it; volume: the one tier that the quantity falls in asks for all
tiered as (
    select
        subscription_id,
        subscription_item_id,
        valid_from,
        sum(
            case
                {%- if var('zero_quantity_pays_first_tier') %}
                -- nothing used or no seats: the first tier's flat fee is charged all the same
                when billed_quantity = 0 and above = 0 then flat_minor
                {%- endif %}
                when billed_quantity <= above then 0
                when tiers_mode = 'volume' and (up_to is null or billed_quantity <= up_to)
                    then unit_minor * billed_quantity + flat_minor
                when tiers_mode = 'volume' then 0
                else unit_minor * (least(billed_quantity, coalesce(up_to, billed_quantity)) - above) + flat_minor
            end
        ) as amount_minor
    from tiers
    group by subscription_id, subscription_item_id, valid_from
),

priced as (
    select
        judged.*,
        cast(
            case
                when not coalesce(judged.is_recurring, false) then 0
                else coalesce(tiered.amount_minor, judged.unit_amount_minor * judged.billed_quantity, 0) * judged.per_twelve
            end as decimal(38, 12)
        ) as gross_twelfths,
        -- what brings twelfths of a period's amount down to a month and takes the tax out, in units of 1e-6
        cast(12 * judged.interval_count as {{ big_integer() }})
        * cast(cast((100 + {{ '0' if var('inclusive_tax_counts_as_mrr') else 'judged.inclusive_percent' }}) * 1000000 as decimal(20, 0)) as {{ big_integer() }}) as divisor
    from judged
    left join tiered
        on
            judged.subscription_id = tiered.subscription_id
            and judged.subscription_item_id = tiered.subscription_item_id
            and judged.valid_from = tiered.valid_from
),

step_counts as (
    select
        subscription_id,
        valid_from,
        max(step) as steps
    from discounts
    group by subscription_id, valid_from
),

-- Discounts are taken one after the other: a percentage from what is left; a fixed amount spread over what is left of the
-- items of its interval that it touches, at six places by largest remainder.
taken as (
    select
        priced.subscription_id,
        priced.subscription_item_id,
        priced.valid_from,
        priced.recurring_interval,
        priced.interval_count,
        priced.per_twelve,
        priced.gross_twelfths as left_twelfths,
        step_counts.steps,
        0 as step
    from priced
    inner join step_counts
        on priced.subscription_id = step_counts.subscription_id and priced.valid_from = step_counts.valid_from
    where priced.is_recurring
    union all
    (
        with next_step as (
            select
                taken.subscription_id,
                taken.subscription_item_id,
                taken.valid_from,
                taken.recurring_interval,
                taken.interval_count,
                taken.per_twelve,
                taken.left_twelfths,
                taken.steps,
                taken.step + 1 as step,
                discounts.discount_id,
                discounts.percent_off,
                -- what shares a fixed amount: the items of one interval, or the one item whose discount it is
                taken.recurring_interval || taken.interval_count
                || case when discounts.scope = 'item' then taken.subscription_item_id else '' end
                || case when discounts.discount_id is null then '-' else '+' end as share_key,
                cast(coalesce(discounts.amount_off_minor, 0) * taken.per_twelve as {{ big_integer() }}) as off_twelfths
            from taken
            left join discounts
                on
                    taken.subscription_id = discounts.subscription_id
                    and taken.subscription_item_id = discounts.subscription_item_id
                    and taken.valid_from = discounts.valid_from
                    and taken.step + 1 = discounts.step
            where taken.step < taken.steps
        ),

        shared as (
            select
                *,
                sum(left_twelfths) over (partition by subscription_id, valid_from, share_key) as whole_twelfths,
                count(*) over (partition by subscription_id, valid_from, share_key) as sharers
            from next_step
        ),

        -- a part in millionths of a month's minor unit = off × left / whole × 10^6 / (12 × count), in whole numbers
        fractions as (
            select
                *,
                percent_off is null and sharers > 1 and off_twelfths < whole_twelfths as is_spread,
                case
                    when percent_off is null and sharers > 1 and off_twelfths < whole_twelfths
                        then off_twelfths * cast(left_twelfths * cast(1000000 as decimal(7, 0)) as {{ big_integer() }}) * 1000000
                end as numerator,
                case
                    when percent_off is null and sharers > 1 and off_twelfths < whole_twelfths
                        then
                            cast(whole_twelfths * cast(1000000 as decimal(7, 0)) as {{ big_integer() }})
                            * (12 * interval_count)
                end as denominator
            from shared
        ),

        floors as (
            select
                *,
                {{ floor_quotient('numerator', 'denominator') }} as part,
                numerator - denominator * {{ floor_quotient('numerator', 'denominator') }} as remainder,
                {{ half_up_quotient('off_twelfths * 1000000', '12 * interval_count') }} as target
            from fractions
        ),

        -- of two equal items the one with the lower id keeps the odd millionth
        parts as (
            select
                *,
                row_number() over (
                    partition by subscription_id, valid_from, share_key order by remainder desc, subscription_item_id desc
                ) as remainder_place,
                target - sum(part) over (partition by subscription_id, valid_from, share_key) as missing
            from floors
        )

        select
            subscription_id,
            subscription_item_id,
            valid_from,
            recurring_interval,
            interval_count,
            per_twelve,
            cast(
                case
                    when discount_id is null then left_twelfths
                    when percent_off is not null
                        then left_twelfths * cast(100 - percent_off as decimal(10, 6)) * cast(0.01 as decimal(3, 2))
                    when off_twelfths >= whole_twelfths then 0
                    when not is_spread then left_twelfths - off_twelfths
                    else
                        left_twelfths
                        - cast(part + case when remainder_place <= missing then 1 else 0 end as decimal(24, 0))
                        * cast(0.000001 as decimal(7, 6)) * (12 * interval_count)
                end as decimal(38, 12)
            ) as left_twelfths,
            steps,
            step
        from parts
    )
),

netted as (
    select
        priced.*,
        coalesce(taken.left_twelfths, priced.gross_twelfths) as net_twelfths
    from priced
    left join taken
        on
            priced.subscription_id = taken.subscription_id
            and priced.subscription_item_id = taken.subscription_item_id
            and priced.valid_from = taken.valid_from
            and taken.step = taken.steps
),

rounded as (
    select
        *,
        case
            when zero_reason is not null or not coalesce(is_recurring, false) then 0
            else {{ millionths('gross_twelfths', 'divisor') }}
        end as list_millionths,
        case
            when zero_reason is not null or not coalesce(is_recurring, false) then 0
            else {{ millionths('net_twelfths', 'divisor') }}
        end as net_millionths
    from netted
),

final as (
    select
        subscription_item_id,
        subscription_id,
        stripe_customer_id,
        customer_id,
        valid_from,
        valid_to,
        currency,
        price_id,
        product_id,
        quantity,
        status,
        coalesce(is_recurring, false) as is_recurring,
        zero_reason,
        is_inferred,
        is_gross_of_tax,
        cast(list_millionths * cast(0.000001 as decimal(7, 6)) as decimal(28, 6)) as list_mrr_minor,
        cast(net_millionths * cast(0.000001 as decimal(7, 6)) as decimal(28, 6)) as mrr_minor
    from rounded
)

select * from final
