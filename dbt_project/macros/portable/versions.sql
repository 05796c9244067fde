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
