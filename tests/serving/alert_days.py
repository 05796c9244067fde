"""A published version as it would have stood on earlier days, with or without faults: what alerts are judged on day by day.

Sixty days must not take sixty builds: the KPI tables of one built home are cut by day, `complete_through` with them.
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
#: Table → SQL of the rows that were there when a day was over (`$cut` is the midnight after it).
CUT = {
    "kpi_daily": "day < $cut",
    "kpi_paying_health_daily": "day < $cut",
    "kpi_feature_launches": "day < $cut",
    "kpi_retention_monthly": "month_start_on < $cut",
    "kpi_acquisition_monthly": "month_start_on < $cut",
    "fact_payment_failures": "failed_at < $cut",
    "completeness_ledger": "date_day < $cut",
    "data_quality_scores": "date_partition <= $cut",
    "complete_through": "true",
}


def midnight(day: date) -> datetime:
    """The instant at which a day begins (naive UTC)."""
    return datetime.combine(day, time())


@dataclass
class Days:
    """A home in which alerts are judged day by day on a copy of a published version.

    Args:
        source: A restricted edition.
        home: An empty folder: the copy, the cut versions, and the log are in it.
    """

    source: Path
    home: Path

    def __post_init__(self) -> None:
        self.copy = self.home / "planted.duckdb"
        con = duck.connect(self.copy)
        con.execute(f"attach '{self.source}' as source (read_only)")
        con.execute("create schema gold")
        for table in CUT:
            con.execute(f"create table gold.{table} as select * from source.gold.{table}")
        con.close()

    def settings(self, cut: date, **changes: object) -> Settings:
        """Settings under which it is the midnight at which `cut` begins."""
        as_of = datetime.combine(cut, time(), tzinfo=UTC)
        return Settings.for_test(self.home, as_of=as_of, **changes)

    def change(self, *statements: str) -> None:
        """Plant something in the copy."""
        con = duck.connect(self.copy)
        for statement in statements:
            con.execute(statement)
        con.close()

    def ask(self, statement: str) -> list[tuple]:
        """Ask the copy."""
        con = duck.connect(self.copy, read_only=True)
        try:
            return con.execute(statement).fetchall()
        finally:
            con.close()

    def version(self, cut: date) -> Path:
        """The version as it stood at the midnight at which `cut` begins."""
        folder = self.home / "published" / f"v{cut:%Y%m%d}"
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "restricted.duckdb"
        path.unlink(missing_ok=True)
        con = duck.connect(path)
        con.execute(f"attach '{self.copy}' as source (read_only)")
        con.execute("create schema gold")
        for table, rows in CUT.items():
            where = rows.replace("$cut", f"timestamp '{midnight(cut)}'")
            chosen = "*"
            if table == "complete_through":
                lag = (
                    "case when stream = 'mrr_movements' then interval 1 day else interval 0 day end"
                )
                chosen = f"* replace (least(complete_through, timestamp '{midnight(cut)}' - {lag}) as complete_through)"
            con.execute(
                f"create table gold.{table} as select {chosen} from source.gold.{table} where {where}"
            )
        con.close()
        return folder

    def judge(self, cut: date, **changes: object) -> Report:
        """Publish the state of a midnight, and judge it."""
        return evaluate(self.settings(cut, **changes), version=self.version(cut))

    def run(self, first: date, last: date) -> None:
        """Judge at every midnight from one to another."""
        while first <= last:
            self.judge(first)
            first += DAY

    def log(self, where: str = "true") -> list[log.Entry]:
        """Rows of the log, in the order in which they were written."""
        with log.opened(self.settings(date(2030, 1, 1))) as con:
            return log.rows(con, where)

    def told(self) -> list[log.Entry]:
        """Rows that made a message that something is wrong."""
        return self.log("told = 'fired'")
