-- a subscription's versions follow each other without gap or overlap, and the last one is open
select subscription_id, version_number, valid_from, valid_to, next_from
from (
    select
        *,
        lead(valid_from) over (partition by subscription_id order by version_number) as next_from
    from {{ ref('int_subscription_versions') }}
) as followed
where valid_to <= valid_from or valid_to <> coalesce(next_from, {{ end_of_time() }})
