-- one row per source and stream: up to when the source has delivered everything.

{% set sources = ['usage', 'stripe', 'support', 'product', 'inputs'] %}

{% for source_name in sources %}
select
    '{{ source_name }}' as source,
    stream,
    complete_through
from {{ source('landing_' ~ source_name, 'complete_through') }}
{{ "union all" if not loop.last }}
{% endfor %}
