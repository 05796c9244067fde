-- title: How far the data go, and where days are missing
-- description: For every stream the instant up to which it is complete, and the days within that are missing or suspicious. Look here before asking why a number fell.
select
    c.source,
    c.stream,
    c.complete_through,
    count(g.date_day) as gaps,
    min(g.date_day) as first_gap_on,
    max(g.date_day) as last_gap_on
from gold.complete_through as c
left join gold.completeness_ledger as g
    on g.source = c.source and g.stream = c.stream and g.is_gap
group by c.source, c.stream, c.complete_through
order by c.complete_through, c.source, c.stream
