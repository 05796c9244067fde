{#- A typed layer of one kind of Stripe object: each landed JSON is read once, and the newest content of each object is kept.

    The model selects the looks at objects of the loads it has not taken in (`typed_looks`); they are appended, and then what was
    seen more than once is settled (`settle_newest`, a post-hook): sorting all that was seen once would cost as much as reading
    it. The hook is a transaction of its own: taking rows away from a table of the same transaction writes it all twice. A build
    that dies in between leaves copies that the next one settles, before anything reads them. Newest is what was known last; within one second by what happened (a list's record
    stands above events), then by content: nothing depends on the order of arrival. -#}

{#- The names of a rendered list of columns (`… as name, …`). -#}
{%- macro column_names(columns) -%}
{{ return(modules.re.findall('\\bas (\\w+)\\s*(?:,|$)', columns)) }}
{%- endmacro -%}

{#- Several things happen to an object within one second: creation comes first, then what it led to. -#}
{%- macro step_of_event(event_type) -%}
case
    when {{ event_type }} like '%.created' then 0
    when {{ event_type }} like '%.updated' then 1
    when {{ event_type }} like '%.finalized' then 2
    when {{ event_type }} like '%.deleted' then 4
    else 3
end
{%- endmacro -%}

{%- macro of_our_mode(livemode='livemode') -%}
coalesce({{ livemode }}, {{ var('expected_livemode') }}) = {{ var('expected_livemode') }}
{%- endmacro -%}

{#- CTEs up to `looks`: one row per look at an object, with its typed columns, `is_record`, `step`, `known_at` and `load_id`.

    `kept` names columns that an event's snapshot cuts short or leaves out: of them the newest list record's value is kept
    beside, as `record_<name>`, where the newest content is an event's. -#}
{%- macro typed_looks(object_type, records, events, columns, kept=[]) -%}
{%- set names = column_names(columns) -%}
opened_events as (
    select
        {{ step_of_event('event_type') }} as step,
        occurred_at as known_at,
        load_id,
        {{ opened('object_json', columns) }}
    from {{ events }}
    where
        object_type = '{{ object_type }}'
        {%- if is_incremental() %}
        and load_id > {{ loaded_through() }}
        {%- endif %}
),

all_looks as (
    select
        {{ names | join(',\n        ') }},
        true as is_record,
        9 as step,
        extracted_at as known_at,
        load_id
    from {{ records }}
    where
        not is_tombstone
        {%- if is_incremental() %}
        and load_id > {{ loaded_through() }}
        {%- endif %}
    union all
    select
        {{- columns }},
        false as is_record,
        step,
        known_at,
        load_id
    from opened_events
),

looks as (
    select
        *
        {%- if kept %},
        {%- for name in kept %}
        cast(null as string) as record_{{ name }},
        {%- endfor %}
        cast(null as timestamp) as record_known_at
        {%- endif %}
    from all_looks
    where {{ of_our_mode() }} and object_id is not null
)
{%- endmacro -%}
