-- one row per day as of whose first instant customers are described: the 1st, 11th and 21st of each month that is over, and today.
--
-- Ten days are close enough to learn from and few enough to keep; the firsts of months are what is reported on.

with

calendar as (

    select * from {{ ref('dim_date') }}

),

final as (

    select
        {{ md5_id(['date_day']) }} as id,
        date_day as as_of_date,
        day_of_month = 1 as is_month_start,
        {{ day_start('date_day') }} as as_of
    from calendar
    where
        (is_complete and day_of_month in (1, 11, 21))
        or date_day = {{ add_days(last_day(), 1) }}

)

select * from final
