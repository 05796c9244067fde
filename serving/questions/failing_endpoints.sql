-- title: Endpoints that fail more than they did
-- description: Error rate and 95th percentile of the last seven days against the 28 days before, by endpoint.
-- chart: {kind: bar, x: endpoint, y: change_in_points}
with latest as (
    select max(day) as day from gold.kpi_daily where is_complete
),

periods as (
    select
        e.endpoint,
        e.day > latest.day - 7 as is_recent,
        sum(e.calls) as calls,
        sum(e.client_error_calls + e.server_error_calls) as failed_calls,
        max(e.latency_p95_ms) as highest_p95_ms
    from gold.kpi_endpoint_daily as e
    join latest on e.day > latest.day - 35 and e.day <= latest.day
    group by e.endpoint, is_recent
)

select
    now.endpoint,
    now.calls as calls_7d,
    round(100.0 * now.failed_calls / now.calls, 2) as error_percent,
    round(100.0 * before.failed_calls / before.calls, 2) as error_percent_before,
    round(100.0 * now.failed_calls / now.calls - 100.0 * before.failed_calls / before.calls, 2) as change_in_points,
    round(now.highest_p95_ms) as highest_p95_ms,
    round(before.highest_p95_ms) as highest_p95_ms_before
from periods as now
join periods as before on before.endpoint = now.endpoint and not before.is_recent
where now.is_recent
order by change_in_points desc
