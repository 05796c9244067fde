-- one row per landed login.

with

landed as (

    select
        {{ json_fields('_raw', ['id', 'user_id', 'account_id', 'session_seconds', 'logged_in_at']) }} as record,
        _load_id,
        _extracted_at
    from {{ source('raw_product', 'logins') }}

),

final as (

    select
        {{ field('record', 'id') }} as login_id,
        {{ field('record', 'user_id') }} as user_id,
        {{ field('record', 'account_id') }} as account_id,
        {{ whole_number(field('record', 'session_seconds')) }} as session_seconds,
        {{ parse_instant(field('record', 'logged_in_at')) }} as logged_in_at,
        _load_id as load_id,
        _extracted_at as extracted_at
    from landed

)

select * from final
