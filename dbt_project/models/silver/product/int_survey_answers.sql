-- one row per answer to a survey (nps 0 to 10, ces 1 to 7).

with

newest as (

    {{ newest_version(ref('stg_product__survey_answers'), 'answer_id', ['answered_at'], ['account_id', 'survey_kind', 'score']) }}

),

final as (

    select
        answer_id,
        account_id as customer_id,
        lower(survey_kind) as survey_kind,
        score,
        answered_at
    from newest

)

select * from final
