-- one row per landed version of an account, and one per window that was read again and had the account no more: a deletion.

with

versions as (

    select * from {{ ref('stg_product__accounts') }}
    where account_id is not null

),

removed as (

    select * from versions
    where removed_at is not null

),

-- as it was last seen, deleted when the source was found without it
absences as (

    {{ newest_version('removed', 'account_id, load_id', ['updated_at'], ['deleted_at', 'tier', 'company_name', 'email', 'industry', 'country', 'signup_at', 'created_at']) }}

),

-- back in the version it had: it was not deleted after all
returned as (

    select absences.account_id, absences.load_id
    from absences
    inner join versions
        on
            absences.account_id = versions.account_id
            and absences.load_id < versions.load_id
            and absences.removed_at >= versions.updated_at
    where versions.removed_at is null
    group by absences.account_id, absences.load_id

),

final as (

    select
        account_id,
        company_name,
        email,
        industry,
        country,
        tier,
        signup_at,
        created_at,
        updated_at,
        deleted_at
    from versions
    union all
    select
        absences.account_id,
        absences.company_name,
        absences.email,
        absences.industry,
        absences.country,
        absences.tier,
        absences.signup_at,
        absences.created_at,
        absences.removed_at as updated_at,
        coalesce(absences.deleted_at, absences.removed_at) as deleted_at
    from absences
    left join returned
        on absences.account_id = returned.account_id and absences.load_id = returned.load_id
    where returned.account_id is null

)

select * from final
