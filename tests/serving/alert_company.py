"""A published version of a few KPI tables, made by hand: what the alerts' own tests judge.

Usage is 1000 calls each weekday and 400 on week-ends; revenue 500 a day; everything is complete up to the midnight after the last
day. Tests plant what they need and move on by days.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

from serving.alerts import log
from serving.alerts.evaluation import Report, evaluate
from warehouse import duck
from warehouse.settings import Settings

DAY = timedelta(days=1)
FIRST = date(2025, 3, 1)
TABLES = """
create schema gold;
create table gold.kpi_daily (day date, calls bigint, dau bigint, error_rate double, latency_p95_ms double,
    recognised_revenue_amount decimal(28, 6), mrr_amount decimal(28, 6), logo_churn_rate_30d double, health_score_mean double,
    is_complete boolean);
create table gold.kpi_paying_health_daily (day date, customers_at_risk bigint);
create table gold.kpi_retention_monthly (month_start_on date, interval_months int, logo_churn_rate double);
create table gold.kpi_acquisition_monthly (month_start_on date, cac_amount double);
create table gold.kpi_feature_launches (feature_name varchar, day date, days_since_launch bigint, adoption_rate double);
create table gold.fact_payment_failures (failed_at timestamp);
create table gold.complete_through (source varchar, stream varchar, complete_through timestamp);
create table gold.completeness_ledger (source varchar, stream varchar, date_day date, is_gap boolean);
create table gold.alert_log (rule varchar, subject varchar, state varchar, value double, baseline double, threshold double,
    period_start timestamp);
create table gold.data_quality_scores (table_name varchar, date_partition date, accuracy double, consistency double, validity double);
"""
STREAMS = (
    ("usage", "api_calls"), ("stripe", "charges"), ("stripe", "mrr_movements"), ("support", "tickets"), ("product", "logins"),
    ("inputs", "fx_rates"),
)  # fmt: skip


@dataclass
class Company:
    """A home with one published version after the other.

    Args:
        home: An empty folder.
        last: The last day that is over at first.
        number: Versions that were published before.
    """

    home: Path
    last: date
    number: int = 0

    def __post_init__(self) -> None:
        self.changes: list[str] = []
        self.settings_changes: dict[str, object] = {}
        self.behind: dict[str, date] = {}

    @property
    def settings(self) -> Settings:
        """Settings at the midnight after the last day."""
        as_of = datetime.combine(self.last + DAY, time(), tzinfo=UTC)
        return Settings.for_test(self.home, as_of=as_of, **self.settings_changes)

    def plant(self, *statements: str) -> None:
        """SQL that every version from now on is changed by."""
        self.changes += statements

    def publish(self) -> Path:
        """Write the version of now."""
        self.number += 1
        folder = self.home / "published" / f"v{self.number:06d}-{self.last + DAY}-0123abcd"
        folder.mkdir(parents=True)
        con = duck.connect(folder / "restricted.duckdb")
        con.execute(TABLES)
        con.execute(
            "insert into gold.kpi_daily select day, case when isodow(day) > 5 then 400 else 1000 end, 100, 0.03, 900, 500, 15000, 0.03, 80, true "
            "from (select cast(unnest(generate_series(?::timestamp, ?::timestamp, interval 1 day)) as date) as day)",
            [FIRST, self.last],
        )
        con.execute("insert into gold.kpi_paying_health_daily select day, 4 from gold.kpi_daily")
        for source, stream in STREAMS:
            day = min(self.behind.get(source, self.last), self.last) + DAY
            at = datetime.combine(day, time()) - (DAY if stream == "mrr_movements" else DAY * 0)
            con.execute("insert into gold.complete_through values (?, ?, ?)", [source, stream, at])
        for statement in self.changes:
            con.execute(statement)
        con.close()
        return folder

    def judge(self) -> Report:
        """Publish, and judge."""
        return evaluate(self.settings, version=self.publish())

    def move(self, days: int = 1) -> Report:
        """Let days pass, publish once, and judge."""
        self.last += days * DAY
        return self.judge()

    def log(self, where: str = "true") -> list[log.Entry]:
        """Rows of the log, in the order in which they were written."""
        with log.opened(self.settings) as con:
            return log.rows(con, where)

    def story(self, rule: str) -> list[tuple[str, str, str | None]]:
        """(period, state, told) of a rule's rows."""
        return [(entry.period, entry.state, entry.told) for entry in self.log(f"rule = '{rule}'")]
