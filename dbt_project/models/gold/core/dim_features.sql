-- one row per feature of the product: those on the product's list and all that were ever used.

with

listed as (

    select * from {{ ref('features') }}

),

used as (

    select distinct feature as feature_name from {{ ref('int_api_calls') }}
    where feature is not null

),

feature_names as (

    select feature_name from listed
    union
    select feature_name from used

),

final as (

    select
        {{ md5_id(['feature_names.feature_name']) }} as id,
        feature_names.feature_name,
        coalesce(listed.title, feature_names.feature_name) as feature_title,
        coalesce(listed.feature_group, 'other') as feature_group,
        listed.feature_name is not null as is_listed
    from feature_names
    left join listed
        on feature_names.feature_name = listed.feature_name

)

select * from final
