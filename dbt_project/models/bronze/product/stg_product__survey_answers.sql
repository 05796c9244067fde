-- one row per landed answer to a survey (NPS or CES).

with

landed as (

    select
        {{ json_fields('_raw', ['id', 'account_id', 'kind', 'score', 'answered_at']) }} as record,
        _load_id,
        _extracted_at
    from {{ source('raw_product', 'survey_answers') }}

),

final as (

    select
        {{ field('record', 'id') }} as answer_id,
        {{ field('record', 'account_id') }} as account_id,
        {{ field('record', 'kind') }} as survey_kind,
        {{ whole_number(field('record', 'score')) }} as score,
        {{ parse_instant(field('record', 'answered_at')) }} as answered_at,
        _load_id as load_id,
        _extracted_at as extracted_at
    from landed

)

select * from final
