-- one row per scored day and model whose 30 days are over: how well the scores of that day foretold who left.
--
-- Customers whose end was set already were scored 1 apart from the model and are left out. Two days are waited for the grace of
-- plan migrations, and until movements are complete: before, nobody seems to have left. Without Stripe the calendar alone tells.
{{ config(materialized='table', tags=['after_ml']) }}

with

settled as (

    select coalesce(min(complete_through), cast('9999-12-31' as timestamp)) as complete_through
    from {{ ref('complete_through') }}
    where source = 'stripe' and stream = 'mrr_movements'

),

scored as (

    select * from {{ ref('customer_churn_scores') }}
    where not is_end_already_set and {{ add_days('as_of_date', 32) }} <= {{ add_days(last_day(), 1) }}

),

scores as (

    select scored.*
    from scored
    cross join settled
    where {{ day_start(add_days('scored.as_of_date', 30)) }} <= settled.complete_through

),

churns as (

    select customer_id, occurred_at from {{ ref('fact_mrr_movements') }}
    where movement_type = 'churn'

),

leavers as (

    select scores.id
    from scores
    inner join churns
        on
            scores.customer_id = churns.customer_id
            and churns.occurred_at > {{ day_start('scores.as_of_date') }}
            and churns.occurred_at <= {{ day_start(add_days('scores.as_of_date', 30)) }}
    group by scores.id

),

outcomes as (

    select
        scores.as_of_date,
        scores.model_version,
        scores.model_kind,
        scores.churn_probability,
        least(greatest(scores.churn_probability, 0.000001), 0.999999) as clipped,
        case when leavers.id is null then 0 else 1 end as has_left,
        -- the mean rank of equal scores, from the lowest
        rank() over (partition by scores.as_of_date, scores.model_version order by scores.churn_probability)
        + (count(*) over (partition by scores.as_of_date, scores.model_version, scores.churn_probability) - 1) / 2e0 as score_rank,
        ntile(10) over (partition by scores.as_of_date, scores.model_version order by scores.churn_probability desc, scores.customer_id)
            as decile
    from scores
    left join leavers
        on scores.id = leavers.id

),

days as (

    select
        as_of_date,
        model_version,
        model_kind,
        count(*) as customers,
        sum(has_left) as churned_customers,
        avg(churn_probability) as churn_probability_mean,
        avg(case when (churn_probability >= 0.5) = (has_left = 1) then 1e0 else 0e0 end) as accuracy,
        avg(case when churn_probability >= 0.5 then has_left end) as precision_at_half,
        avg(case when has_left = 1 then case when churn_probability >= 0.5 then 1e0 else 0e0 end end) as recall_at_half,
        avg(case when decile = 1 then has_left end) as top_decile_precision,
        avg((churn_probability - has_left) * (churn_probability - has_left)) as brier,
        -avg(has_left * ln(clipped) + (1 - has_left) * ln(1 - clipped)) as log_loss,
        sum(has_left * score_rank) as leavers_ranks
    from outcomes
    group by as_of_date, model_version, model_kind

),

final as (

    select
        {{ md5_id(['as_of_date', 'model_version']) }} as id,
        as_of_date,
        model_version,
        model_kind,
        cast(customers as bigint) as customers,
        cast(churned_customers as bigint) as churned_customers,
        {{ rate('churned_customers', 'customers') }} as base_rate,
        cast(churn_probability_mean as double) as churn_probability_mean,
        cast(accuracy as double) as accuracy,
        1 - {{ rate('churned_customers', 'customers') }} as accuracy_of_nobody_churns,
        cast(precision_at_half as double) as precision_at_half,
        cast(recall_at_half as double) as recall_at_half,
        cast(top_decile_precision as double) as top_decile_precision,
        {{ rate('leavers_ranks - churned_customers * (churned_customers + 1) / 2e0', 'churned_customers * (customers - churned_customers)') }}
            as roc_auc,
        cast(brier as double) as brier,
        cast(log_loss as double) as log_loss
    from days

)

select * from final
