-- one row per account and interval [valid_from, valid_to) in which its attributes did not change.
--
-- Built from the product's own change log and from the versions of the account that were landed, together: an attribute's
-- value is that of the last change or observation at or before the instant; before the first one, the first change's old
-- value. A deleted account is a version of its own (`is_deleted`), closed again when it is restored.

{% set attributes = ['company_name', 'email', 'industry', 'country', 'tier', 'deleted_at'] %}

with

observed as (

    select * from {{ ref('int_account_sights') }}
    where account_id is not null

),

logged as (

    {{ newest_version(ref('stg_product__account_changes'), 'change_id', ['changed_at'], ['account_id', 'field', 'old_value', 'new_value']) }}

),

logged_changes as (

    select
        account_id,
        case field when 'name' then 'company_name' else field end as attribute,
        changed_at as happened_at,
        old_value,
        new_value,
        change_id
    from logged

),

beginnings as (

    select
        account_id,
        min(coalesce(least(signup_at, created_at), signup_at, created_at, updated_at)) as begins_at
    from observed
    group by account_id

),

observed_values as (

    {% for attribute in attributes %}
    select
        account_id,
        '{{ attribute }}' as attribute,
        coalesce(updated_at, created_at, signup_at) as happened_at,
        cast({{ attribute }} as {{ dbt.type_string() }}) as new_value
    from observed
    {{ "union" if not loop.last }}
    {% endfor %}

),

-- before anything was logged or seen: the old value of the first change, else what was seen first
first_values as (

    select
        account_id,
        attribute,
        {{ arg_min('value', '(happened_at, source_rank, tie)') }} as value
    from (
        select account_id, attribute, happened_at, 0 as source_rank, change_id as tie, coalesce('=' || old_value, '') as value from logged_changes
        union all
        select account_id, attribute, happened_at, 1 as source_rank, coalesce(new_value, '') as tie, coalesce('=' || new_value, '') as value
        from observed_values
    ) as earliest
    group by account_id, attribute

),

changes as (

    select account_id, attribute, happened_at, 2 as source_rank, change_id as tie, coalesce('=' || new_value, '') as value from logged_changes
    union all
    select account_id, attribute, happened_at, 1 as source_rank, coalesce(new_value, '') as tie, coalesce('=' || new_value, '') as value
    from observed_values
    union all
    select
        first_values.account_id,
        first_values.attribute,
        beginnings.begins_at as happened_at,
        0 as source_rank,
        '' as tie,
        -- nobody signs up deleted
        case when first_values.attribute = 'deleted_at' then '' else first_values.value end as value
    from first_values
    inner join beginnings
        on first_values.account_id = beginnings.account_id
    union all
    -- a deletion counts from its own instant, however late it was seen
    select
        observed_values.account_id,
        observed_values.attribute,
        cast(observed_values.new_value as timestamp) as happened_at,
        1 as source_rank,
        observed_values.new_value as tie,
        '=' || observed_values.new_value as value
    from observed_values
    where attribute = 'deleted_at' and new_value is not null

),

instants as (

    select
        changes.account_id,
        greatest(changes.happened_at, beginnings.begins_at) as happened_at,
        {% for attribute in attributes %}
        {{ arg_max('value', '(changes.happened_at, source_rank, tie)') }} filter (where attribute = '{{ attribute }}') as {{ attribute }}{{ "," if not loop.last }}
        {% endfor %}
    from changes
    inner join beginnings
        on changes.account_id = beginnings.account_id
    group by changes.account_id, greatest(changes.happened_at, beginnings.begins_at)

),

filled as (

    select
        account_id,
        happened_at,
        {% for attribute in attributes %}
        {{ last_known(attribute) }} over (
            partition by account_id order by happened_at rows between unbounded preceding and current row
        ) as {{ attribute }}{{ "," if not loop.last }}
        {% endfor %}
    from instants

),

states as (

    select
        account_id,
        happened_at,
        {% for attribute in attributes[:-1] %}
        {{ attribute }},
        {% endfor %}
        coalesce(deleted_at, '') != '' as is_deleted
    from filled

),

followed as (

    select
        *,
        lag(happened_at) over (partition by account_id order by happened_at) as happened_before,
        {% for attribute in attributes[:-1] + ['is_deleted'] %}
        lag({{ attribute }}) over (partition by account_id order by happened_at) as {{ attribute }}_before{{ "," if not loop.last }}
        {% endfor %}
    from states

),

-- an instant at which nothing became different begins no version
marked as (

    select
        *,
        happened_before is null
        {% for attribute in attributes[:-1] + ['is_deleted'] %}
        or ({{ attribute }} is distinct from {{ attribute }}_before)
        {% endfor %}
        as is_new
    from followed

),

final as (

    select
        account_id,
        account_id as customer_id,
        {% for attribute in attributes[:-1] %}
        nullif(substr({{ attribute }}, 2), '') as {{ attribute }},
        {% endfor %}
        is_deleted,
        happened_at as valid_from,
        lead(happened_at) over (partition by account_id order by happened_at) as valid_to
    from marked
    where is_new

)

select * from final
