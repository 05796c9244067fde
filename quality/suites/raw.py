"""Gate `raw`: what landed, before anything is built from it.

Row counts agree with the load table, keys are there, instants are real and not in the future, Stripe objects are of the
expected mode, money is whole numbers, few rows were set aside. Only rows that landed after the last run that passed are
looked at, so a day costs a day.

Reads: `landing/<source>.duckdb`, attached read-only. Writes: profile tables in memory.
Run: by `quality.gates`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal

from quality.expectations import Check, Suite, between, no_rows
from warehouse import loads, locks
from warehouse.settings import Settings
from warehouse.sources import SOURCES, SourceSpec

if TYPE_CHECKING:
    from quality.engine import DuckDBEvaluator

PROFILE_SCHEMA = "landed"
EARLIEST = datetime(2010, 1, 1)  # noqa: DTZ001 - compared with TIMESTAMP columns, which are naive UTC
# a source's clock may be a little ahead of ours
CLOCK_SKEW = timedelta(minutes=10)


@dataclass(frozen=True)
class Instant:
    """Where a stream's own instant is, and how it is written."""

    path: str
    form: Literal["iso", "iso or epoch", "epoch", "date"]

    def sql(self, text: str) -> str:
        """The SQL that reads it: a TIMESTAMP (UTC), NULL where the text says none."""
        digits = f"strlen(split_part({text}, '.', 1))"
        milliseconds = f"try_cast({text} as decimal(20, 6)) * if({digits} >= 12, 1, 1000)"
        return {
            "iso or epoch": f"coalesce(try_cast({text} as timestamptz)::timestamp, "
            f"try(make_timestamp(({milliseconds} * 1000)::bigint)))",
            "iso": f"try_cast({text} as timestamptz)::timestamp",
            "epoch": f"try(make_timestamp(try_cast({text} as bigint) * 1000000))",
            "date": f"try_cast({text} as date)::timestamp",
        }[self.form]


# Streams that a working source can't be without.
ESSENTIAL = frozenset(
    {
        ("usage", "api_calls"),
        ("product", "accounts"),
        ("inputs", "fx_rates"),
        ("stripe", "customers"),
    }
)

INSTANTS: dict[tuple[str, str], Instant] = {
    ("usage", "api_calls"): Instant("$.timestamp", "iso or epoch"),
    **{
        ("stripe", stream): Instant("$.created", "epoch")
        for stream in SOURCES["stripe"].streams
        if stream not in {"invoice_items"}
    },
    ("stripe", "invoice_items"): Instant("$.date", "epoch"),
    **{
        ("support", stream): Instant("$.created_at", "iso")
        for stream in ("tickets", "ticket_comments", "users", "organizations", "satisfaction_ratings", "ticket_events")
    },
    ("product", "accounts"): Instant("$.signup_at", "iso"),
    ("product", "account_changes"): Instant("$.changed_at", "iso"),
    ("product", "users"): Instant("$.created_at", "iso"),
    ("product", "logins"): Instant("$.logged_in_at", "iso"),
    ("product", "feature_flags"): Instant("$.updated_at", "iso"),
    ("product", "experiment_exposures"): Instant("$.exposed_at", "iso"),
    ("product", "experiment_conversions"): Instant("$.converted_at", "iso"),
    ("product", "survey_answers"): Instant("$.answered_at", "iso"),
    ("inputs", "fx_rates"): Instant("$.date", "date"),
    ("inputs", "ad_spend"): Instant("$.date", "date"),
}  # fmt: skip

# Amounts in minor units: JSON integers, never 1.5 or "12" (TRUST §2).
MONEY: dict[tuple[str, str], tuple[str, ...]] = {
    ("stripe", "invoices"): ("$.total", "$.amount_paid", "$.amount_remaining"),
    ("stripe", "charges"): ("$.amount", "$.amount_refunded"),
    ("stripe", "refunds"): ("$.amount",),
    ("stripe", "credit_notes"): ("$.amount",),
    ("stripe", "disputes"): ("$.amount",),
    ("stripe", "payouts"): ("$.amount",),
    ("stripe", "balance_transactions"): ("$.amount", "$.fee", "$.net"),
    ("stripe", "payout_transactions"): ("$.net",),
}


def landing_scope(settings: Settings) -> dict[str, loads.Reach]:
    """How far each landing file that exists goes: what a run of this gate covers."""
    scope = {}
    for source in SOURCES:
        path = settings.landing(source)
        if not path.exists():
            continue
        with locks.hold(path, what="quality gate raw", timeout=settings.lock_timeout):
            scope[source] = loads.reach(source, settings)
    return scope


def suites(
    evaluator: DuckDBEvaluator,
    settings: Settings,
    now: datetime,
    passed_scope: Mapping[str, loads.Reach],
) -> list[Suite]:
    """Profile what landed and say what must hold of it.

    Args:
        evaluator: Open on a database in memory; the landing files are attached to it one after the other.
        settings: Where the landing files are, and which sources are on.
        now: `clock.now`, naive UTC.
        passed_scope: Source → how far a former run has passed its file.
    """
    evaluator.execute(f"create schema if not exists {PROFILE_SCHEMA}")
    found: list[Suite] = []
    for source in SOURCES.values():
        path = settings.landing(source.name)
        table = f"raw_{source.name}"
        if not path.exists():
            if settings.mode == "real" and not source.is_on(settings):
                note = f"source {source.name} is off: {', '.join(source.missing(settings))} not set"
                found.append(Suite(table, table, ("", ""), note=note))
            else:
                error = f"{path.name} does not exist; run `warehouse sync {source.name}`"
                found.append(Suite(table, table, ("", ""), error=error))
            continue
        # the lock is kept while the profile is taken, not while it is judged: a sync can commit meanwhile
        with locks.hold(path, what="quality gate raw", timeout=settings.lock_timeout):
            evaluator.attach(path, f"landing_{source.name}")
            try:
                since = _since(evaluator, source, passed_scope.get(source.name, loads.Reach(0)))
                found.append(_source_suite(evaluator, settings, source, since))
                found += [
                    _stream_suite(evaluator, settings, source, stream, now, since)
                    for stream in source.streams
                ]
            finally:
                evaluator.detach(f"landing_{source.name}")
    return found


def _since(evaluator: DuckDBEvaluator, source: SourceSpec, passed: loads.Reach) -> int:
    """The load id after which rows are new to this gate."""
    committed_at = evaluator.execute(
        f"select min(committed_at) from landing_{source.name}.landing.loads where load_id = {passed.load_id}"
    )[0][0]
    # a landing file that was synced anew, or restored, has other loads under the same ids: then everything is new
    is_same = committed_at is not None and passed.committed_at in (None, committed_at.isoformat())
    return passed.load_id if is_same else 0


def _source_suite(
    evaluator: DuckDBEvaluator, settings: Settings, source: SourceSpec, since: int
) -> Suite:
    """What holds of a source as a whole: no slice or file is above the threshold, so neither is the sum."""
    landing = f"landing_{source.name}.landing"
    name = f"{source.name}__source"
    # objects of the other mode are set aside by rule (CONTRACT §1): they say nothing about the rows' quality
    evaluator.execute(
        f"create or replace table {PROFILE_SCHEMA}.{name} as select landed, bad, "
        "bad::double / greatest(landed + bad, 1) as quarantine_share from ("
        f"select (select coalesce(sum(rows_landed), 0) from {landing}.loads where load_id > {since}) as landed, "
        f"(select count(*) from {landing}.quarantine where load_id > {since} "
        "and reason not like 'livemode is %') as bad)"
    )
    check = no_rows(
        f"at most {settings.quarantine_threshold:.1%} of the new rows were quarantined",
        "select landed, bad, round(quarantine_share, 4) from {batch} "
        f"where quarantine_share > {settings.quarantine_threshold}",
        "validity",
        advice=f"(landed, quarantined, share); see landing.quarantine of {source.name} for file, line and reason",
    )
    label = f"raw_{source.name}"
    return Suite(label, label, (PROFILE_SCHEMA, name), (check,))


def _stream_suite(
    evaluator: DuckDBEvaluator,
    settings: Settings,
    source: SourceSpec,
    stream: str,
    now: datetime,
    since: int,
) -> Suite:
    name = f"raw_{source.name}.{stream}"
    catalog = f"landing_{source.name}"
    present = evaluator.execute(
        "select count(*) from duckdb_tables() "
        f"where database_name = '{catalog}' and schema_name = 'raw_{source.name}' and table_name = '{stream}'"
    )
    if not present[0][0]:
        return Suite(name, name, ("", ""), error=f"table {name} is missing in the landing file")
    profile = f"{source.name}__{stream}"
    evaluator.execute(
        f"create or replace table {PROFILE_SCHEMA}.{profile} as {_profile_sql(source, stream, since)}"
    )
    landed, counted = evaluator.execute(
        f"select (select count(*) from {catalog}.raw_{source.name}.{stream}), "
        "coalesce(sum(rows_landed), 0) "
        f"from {catalog}.landing.loads where stream = '{stream}'"
    )[0]
    evaluator.execute(
        f"create or replace table {PROFILE_SCHEMA}.{profile}__totals as select "
        f"{landed}::bigint as rows_in_table, {counted}::bigint as rows_in_loads"
    )
    totals = f"{PROFILE_SCHEMA}.{profile}__totals"
    checks = _totals_checks(totals)
    # nothing new, nothing to look at: a day without rows in a stream costs next to nothing
    if evaluator.execute(f"select count(*) from {PROFILE_SCHEMA}.{profile}")[0][0]:
        checks += _row_checks(settings, source, stream, now)
    if (source.name, stream) in ESSENTIAL:
        checks.append(
            no_rows(
                "has rows",
                f"select rows_in_table from {totals} where rows_in_table = 0 and (select count(*) from {{batch}}) = 0",
                "completeness",
                advice=f"nothing has ever landed; run `warehouse sync {source.name}` and look at its settings",
            )
        )
    return Suite(name, name, (PROFILE_SCHEMA, profile), tuple(checks))


def _totals_checks(totals: str) -> list[Check]:
    return [
        no_rows(
            "rows in the table = rows the load table counted",
            f"select rows_in_table, rows_in_loads from {totals} "
            "where rows_in_table <> rows_in_loads and (select count(*) from {batch}) >= 0",
            "accuracy",
            advice="rows were lost or landed twice; restore the landing file or reset and sync it again",
        ),
    ]


def _row_checks(settings: Settings, source: SourceSpec, stream: str, now: datetime) -> list[Check]:
    latest = now + CLOCK_SKEW
    checks = [
        no_rows(
            "every row is a JSON object", "select position from {batch} where not is_object", "validity",
            advice="the connector sent something else; look at _raw at that _position",
        ),
        no_rows(
            f"key ({', '.join(source.keys.get(stream, ()))}) is never null",
            "select load_id, position from {batch} where is_object and key is null",
            "completeness", column="key",
        ),
    ]  # fmt: skip
    if (source.name, stream) in INSTANTS:
        field = INSTANTS[source.name, stream].path.removeprefix("$.")
        checks += [
            no_rows(
                f"{field} is a readable instant",
                "select key, instant_text from {batch} "
                "where is_object and not is_deletion and instant is null",
                "validity", column=field,
            ),
            between("instant", EARLIEST, None, dimension="validity"),
            no_rows(
                f"{field} is not in the future",
                f"select key, instant from {{batch}} where instant > timestamp '{latest}'",
                "timeliness", column=field,
            ),
        ]  # fmt: skip
    if source.name == "stripe":
        expected = "false" if "_test_" in (settings.stripe_api_key or "") else "true"
        checks.append(
            no_rows(
                f"livemode is {expected}, as the key says",
                "select key, livemode from {batch} "
                f"where livemode is not null and livemode <> '{expected}'",
                "validity", column="livemode",
                advice="objects of the other mode belong into quarantine; check STRIPE_API_KEY",
            )
        )  # fmt: skip
    if (source.name, stream) in MONEY:
        fields = ", ".join(path.removeprefix("$.") for path in MONEY[source.name, stream])
        checks.append(
            no_rows(
                f"money is whole minor units ({fields})",
                "select key, money_types from {batch} where not money_is_whole", "validity", column=fields,
                advice="a fraction, a text or a boolean stands where Stripe sends an integer",
            )
        )  # fmt: skip
    return checks


def _profile_sql(source: SourceSpec, stream: str, since: int) -> str:
    """One row per landed record, with what the checks look at; JSON is parsed once."""
    keys = source.keys.get(stream, ("id",))
    instant = INSTANTS.get((source.name, stream))
    money = MONEY.get((source.name, stream), ())
    # `||` makes the whole key null where one part is
    key = " || '|' || ".join(f"fields[{position}]" for position in range(1, len(keys) + 1))
    paths = [f"$.{name}" for name in keys] + [
        instant.path if instant else "$.none", "$.livemode", "$.deleted",
    ]  # fmt: skip
    at = len(keys) + 1
    text = f"fields[{at}]"
    reading = instant.sql(text) if instant else "null::timestamp"
    if money:
        types = f"json_type(_raw, {json.dumps(list(money)).replace(chr(34), chr(39))})"
        whole = "len(list_filter(money_types, lambda t: t is not null and t not in ('BIGINT', 'UBIGINT', 'NULL'))) = 0"
    else:
        types, whole = "null::varchar[]", "true"
    listed = json.dumps(paths).replace('"', "'")
    return (
        f"with extracted as (select _load_id as load_id, _position as position, "
        "json_valid(_raw) and "
        "coalesce(json_type(case when json_valid(_raw) then _raw end) = 'OBJECT', false) as is_object, "
        f"case when json_valid(_raw) then json_extract_string(_raw, {listed}) end as fields, "
        f"case when json_valid(_raw) then {types} end as money_types "
        f"from landing_{source.name}.raw_{source.name}.{stream} where _load_id > {since}) "
        f"select load_id, position, is_object, {key} as key, {text} as instant_text, {reading} as instant, "
        f"fields[{at + 1}] as livemode, coalesce(fields[{at + 2}] = 'true', false) as is_deletion, "
        f"money_types, coalesce({whole}, true) as money_is_whole from extracted"
    )
