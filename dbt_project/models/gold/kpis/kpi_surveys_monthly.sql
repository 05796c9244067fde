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
        count(*) filter (where survey_kind = 'nps' and score >= 9) as promoters,
        count(*) filter (where survey_kind = 'nps' and score <= 6) as detractors,
        sum(case when survey_kind = 'ces' then score else 0 end) as ces_points
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
        cast(promoters as bigint) as promoters,
        cast(detractors as bigint) as detractors,
        cast(ces_points as bigint) as ces_points,
        cast(case when survey_kind = 'nps' then {{ metric('nps', {'nps_answers': 'answers'}) }} end as double) as nps,
        cast(case when survey_kind = 'ces' then {{ metric('ces', {'ces_answers': 'answers'}) }} end as double) as ces
    from months

)

select * from final
order by month_start_on, survey_kind
