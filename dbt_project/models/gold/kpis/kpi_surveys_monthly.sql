-- one row per month and kind of survey (nps, ces) with at least one answer.
--
-- NPS = share of 9 and 10 less share of 0 to 6, in points; CES = mean of 1 to 7. NULL under {{ var('min_responses') }} answers.

with

answers as (

    select
        *,
        cast(date_trunc('month', {{ reporting_date('answered_at') }}) as date) as month_start_on
    from {{ ref('int_survey_answers') }}

),

months as (

    select
        month_start_on,
        survey_kind,
        count(*) as answers,
        count(*) filter (where score >= 9) as promoters,
        count(*) filter (where score <= 6) as detractors,
        avg(score) as mean_score
    from answers
    group by month_start_on, survey_kind

),

final as (

    select
        {{ md5_id(['month_start_on', 'survey_kind']) }} as id,
        month_start_on,
        survey_kind,
        last_day(month_start_on) <= {{ last_day() }} as is_complete,
        cast(answers as bigint) as answers,
        case
            when answers >= {{ var('min_responses') }} and survey_kind = 'nps'
                then 100 * {{ rate('promoters - detractors', 'answers') }}
        end as nps,
        case
            when answers >= {{ var('min_responses') }} and survey_kind = 'ces'
                then cast(mean_score as double)
        end as ces
    from months

)

select * from final
order by month_start_on, survey_kind
