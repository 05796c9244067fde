{# A select of the newest version of each key: by the source's own version of the object, then by content. Never by the
   order of arrival, so that replays, shuffles and splits of the input give the same rows. #}
{% macro newest_version(relation, key, version, content) -%}
    select * from (
        select
            *,
            row_number() over (
                partition by {{ key }}
                order by
                    {%- for column in version %}
                    {{ column }} desc nulls last,
                    {%- endfor %}
                    {%- for column in content %}
                    {{ column }} desc nulls last{{ "," if not loop.last }}
                    {%- endfor %}
            ) as newness
        from {{ relation }}
        where {{ key.split(',')[0] }} is not null
    ) as versions
    where newness = 1
{%- endmacro %}

{# Records of a stream, those too that a window of the source has said no more: they keep their place in history, under the load that
   removed them and with `_removed_at`, an instant (UTC). Streams whose records only happened (logins, ratings) are read from raw alone: what
   is removed there is gone. #}
{% macro landed_and_removed(source_name, stream) -%}
    select
        _raw,
        _load_id,
        _extracted_at,
        cast(null as timestamp) as _removed_at
    from {{ source('raw_' ~ source_name, stream) }}
    union all
    select
        raw as _raw,
        load_id as _load_id,
        removed_at as _extracted_at,
        removed_at as _removed_at
    from {{ source('landing_' ~ source_name, 'tombstones') }}
    where stream = '{{ stream }}'
{%- endmacro %}
