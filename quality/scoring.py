"""Data-quality scores and issues (METRICS §9), from what the gates and dbt's tests found.

A score: per table, day and dimension the share of checks that passed, weighted by severity; of each gate the day's
last run counts. An issue: a check that fails, from the first run that saw it until one finds it mended. Both are kept
as rows, so that a trend can be drawn when the checks are long forgotten, and stay as they were when a weight changes.

Reads: `ops.duckdb` (check_runs, check_results). Writes: `ops.duckdb` (data_quality_scores, data_quality_issues).
Run: by `serving.publish`, before the editions are written; `warehouse.tidy`, before old results go.
"""

from __future__ import annotations

import duckdb

from quality.expectations import DIMENSIONS
from warehouse import ledger
from warehouse.settings import Settings

# How much a check weighs: one that would block the publish says more than one that is only shown.
WEIGHTS = {"error": 3, "warning": 1}

_TABLES = f"""
create table if not exists data_quality_scores (
    id varchar, table_name varchar, date_partition date, run_id varchar,
    {", ".join(f"{dimension} double" for dimension in DIMENSIONS)}, overall_score double,
    check_count bigint, failed_count bigint
);
create table if not exists data_quality_issues (
    id varchar, table_name varchar, column_name varchar, gate varchar, dimension varchar, severity varchar,
    expectation varchar, detail varchar, recommendation varchar,
    first_seen_at timestamp, last_seen_at timestamp, resolved_at timestamp, is_open boolean, run_id varchar
);
create table if not exists data_quality_taken_in (ordinal bigint);
"""

# What gold has of them beside the rows themselves: the trend of each layer.
DAILY = f"""
select md5(layer || '|' || date_partition) as id, layer, date_partition,
    {", ".join(f"avg({dimension}) as {dimension}" for dimension in DIMENSIONS)}, avg(overall_score) as overall_score,
    count(*) as tables, count(*) filter (overall_score < 1) as lowered_tables,
    cast(sum(check_count) as bigint) as check_count, cast(sum(failed_count) as bigint) as failed_count
from (
    select *, split_part(split_part(table_name, '.', 1), '_', 1) as layer from gold.data_quality_scores
) as scores
group by layer, date_partition order by date_partition, layer
"""

DESCRIPTIONS = {
    "data_quality_scores": {
        "": "One row per table and day on which it was checked: METRICS.md, section 9.",
        "id": "Hash of the grain.",
        "table_name": "Schema and name; raw_<source>.<stream> for what landed.",
        "date_partition": "Day of the checks, in the reporting time zone.",
        "run_id": "Newest run whose checks are in the score (ops.check_runs).",
        "completeness": "Share of its checks of completeness that passed, weighted by severity; NULL without any.",
        "accuracy": "The same of accuracy: does it add up to what it is made of.",
        "consistency": "The same of consistency: keys, relations, histories.",
        "timeliness": "The same of timeliness: is it late, or in the future.",
        "validity": "The same of validity: may the values be what they are.",
        "overall_score": "Mean over the dimensions that have checks.",
        "check_count": "Checks made.",
        "failed_count": "Of them, those that failed.",
    },
    "data_quality_daily": {
        "": "One row per layer and day: the mean over its tables' scores of that day.",
        "id": "Hash of the grain.",
        "layer": "raw, bronze, silver or gold.",
        "date_partition": "Day of the checks, in the reporting time zone.",
        "completeness": "Mean of the tables' scores of completeness.",
        "accuracy": "The same of accuracy.",
        "consistency": "The same of consistency.",
        "timeliness": "The same of timeliness.",
        "validity": "The same of validity.",
        "overall_score": "Mean of the tables' overall scores.",
        "tables": "Tables checked.",
        "lowered_tables": "Of them, those with a check that failed.",
        "check_count": "Checks made.",
        "failed_count": "Of them, those that failed.",
    },
    "data_quality_issues": {
        "": "One row per failing check, from the run that first saw it to the one that found it mended.",
        "id": "Hash of the check and the run that first saw it fail.",
        "table_name": "Where: schema and name of the table.",
        "column_name": "The column it is about; empty if none.",
        "gate": "Who checked: gate raw, gold or scores, or the dbt tests of a layer.",
        "dimension": "Dimension of quality.",
        "severity": "error blocks the publish, warning is shown.",
        "expectation": "What should hold.",
        "detail": "What was found last, with rows that break it.",
        "recommendation": "What to do.",
        "first_seen_at": "Since when (UTC, the warehouse's clock).",
        "last_seen_at": "Last run that found it (UTC).",
        "resolved_at": "Run that found it mended (UTC); NULL while it is open.",
        "is_open": "Whether it still holds as of the newest run.",
        "run_id": "Last run that found it.",
    },
}  # fmt: skip

# Days in which a run is new are scored again as a whole.
_SCORES = f"""
with runs as (
    select run_id, gate, ordinal, cast(timezone($zone, timezone('UTC', checked_at)) as date) as date_partition
    from check_runs
), newest as (
    select gate, date_partition, arg_max(run_id, ordinal) as run_id, max(ordinal) as ordinal
    from runs
    where date_partition in (select date_partition from runs where ordinal > $taken_in)
    group by gate, date_partition
), weighed as (
    select r.table_name, n.date_partition, n.run_id, n.ordinal, r.dimension, r.success,
        case r.severity when 'error' then {WEIGHTS["error"]} else {WEIGHTS["warning"]} end as weight
    from newest as n join check_results as r on r.run_id = n.run_id and r.gate = n.gate
), scored as (
    select table_name, date_partition, dimension, arg_max(run_id, ordinal) as run_id, max(ordinal) as ordinal,
        coalesce(sum(weight) filter (success), 0) / sum(weight) as score,
        count(*) as checks, count(*) filter (not success) as failed
    from weighed group by table_name, date_partition, dimension
)
select md5(table_name || '|' || date_partition) as id, table_name, date_partition, arg_max(run_id, ordinal) as run_id,
    {", ".join(f"max(score) filter (dimension = '{dimension}') as {dimension}" for dimension in DIMENSIONS)},
    avg(score) as overall_score, cast(sum(checks) as bigint) as check_count, cast(sum(failed) as bigint) as failed_count
from scored group by table_name, date_partition
"""

# What this run saw failing: an issue that is open goes on, any other begins.
_GO_ON = """
update data_quality_issues as i set last_seen_at = f.checked_at, detail = f.detail, recommendation = f.advice,
    severity = f.severity, run_id = f.run_id
from failing as f
where i.is_open and i.gate = f.gate and i.table_name = f.table_name and i.expectation = f.expectation
"""
_BEGIN = """
insert into data_quality_issues
select md5(concat_ws('|', gate, table_name, expectation, run_id)), table_name, column_name, gate, dimension,
    severity, expectation, detail, advice, checked_at, checked_at, null, true, run_id
from failing as f
where not exists (
    from data_quality_issues as i
    where i.is_open and i.gate = f.gate and i.table_name = f.table_name and i.expectation = f.expectation
)
"""
# A run that was broken off, as dbt is by an error, says nothing about the checks that it did not come to.
_END = """
update data_quality_issues as i set is_open = false, resolved_at = $checked_at
where i.is_open and i.gate = $gate
    and not exists (from failing as f where f.table_name = i.table_name and f.expectation = i.expectation)
    and ($passed or exists (
        from check_results as r where r.run_id = $run_id and r.gate = i.gate
            and r.table_name = i.table_name and r.expectation = i.expectation
    ))
"""


def keep(settings: Settings) -> None:
    """Take in the runs that have been made since the last call: score their days, open and close issues."""
    with ledger.ops(settings) as con:
        con.execute(_TABLES)
        con.execute("begin")
        _keep(con, settings.reporting_timezone)
        con.execute("commit")


def _keep(con: duckdb.DuckDBPyConnection, zone: str) -> None:
    (taken_in,) = con.execute(
        "select coalesce(max(ordinal), 0) from data_quality_taken_in"
    ).fetchone() or (0,)
    runs = con.execute(
        "select run_id, gate, passed, checked_at, ordinal from check_runs where ordinal > ? order by ordinal",
        [taken_in],
    ).fetchall()
    if not runs:
        return
    con.execute(
        f"create or replace temp table scored as {_SCORES}", {"zone": zone, "taken_in": taken_in}
    )
    con.execute("delete from data_quality_scores where id in (select id from scored)")
    con.execute("insert into data_quality_scores select * from scored")
    for run_id, gate, passed, checked_at, _ in runs:
        con.execute(
            "create or replace temp table failing as select table_name, expectation, gate, checked_at, run_id, "
            "any_value(column_name) as column_name, any_value(dimension) as dimension, min(severity) as severity, "
            "min(detail) as detail, coalesce(min(advice), '') as advice "
            "from check_results where run_id = ? and gate = ? and not success group by all",
            [run_id, gate],
        )
        con.execute(_GO_ON)
        con.execute(_BEGIN)
        con.execute(
            _END, {"checked_at": checked_at, "gate": gate, "passed": passed, "run_id": run_id}
        )
    con.execute("delete from data_quality_taken_in")
    con.execute("insert into data_quality_taken_in values (?)", [runs[-1][-1]])
