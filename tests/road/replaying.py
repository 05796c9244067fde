"""A company's landed rows once more, day by day: shuffled, some late, some twice. After each day, what was built on and on is what is built at once.

Every row arrives on the day of its own instant; one in twenty 1 to 5 days later; one in thirty again, the day after. Of the models, those
that are kept from build to build, and all they stand on; what is made anew each time follows from them. dbt stays in one
process, which reads the project once.

Run: `python -m tests.road.replaying --landed HOME --home EMPTY --days 10`; exit code 1 and the differing rows where they differ.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from time import process_time

import duckdb
from dbt.adapters.duckdb.connections import DuckDBConnectionManager
from dbt.cli.main import dbtRunner
from dbt.contracts.graph.manifest import Manifest

from ingestion.destination.landing import Landing
from ingestion.destination.opening import ensure, opened
from quality.suites.raw import INSTANTS
from tests.road.gold import contents, differences
from warehouse import clock
from warehouse.dbt_process import DBT_PROJECT, dbt_environment
from warehouse.settings import Settings
from warehouse.sources import SOURCES

INCREMENTAL = "+config.materialized:incremental"
UNCHANGING = "path:models/bronze"  # views on landing
EMPTY = "empty/warehouse.duckdb"
FRESH = "fresh/warehouse.duckdb"  # dbt calls a database by the name of its file


class Replay:
    """Another data folder, into which a company's rows arrive again.

    Attributes:
        settings: Of that folder.
        days: The days that are replayed, each as the instant at which it ends.
    """

    def __init__(self, landed: Settings, home: Path, days: int, seed: int) -> None:
        end = clock.now(landed)
        self.days = [end - timedelta(days=back) for back in reversed(range(days))]
        self.settings = landed.over(home=home, as_of=self.days[0] - timedelta(days=1))
        self.rows = duckdb.connect()
        self.rows.execute(
            "create table rows (source varchar, stream varchar, line varchar, arrives timestamp, place ubigint)"
        )
        for source in SOURCES:
            self._read(source, landed, seed)
            ensure(source, self.settings)

    def _read(self, source: str, landed: Settings, seed: int) -> None:
        self.rows.execute(f"attach '{landed.landing(source)}' as landed (read_only)")
        for stream in SOURCES[source].streams:
            instant = INSTANTS.get((source, stream))
            happened = (
                instant.sql(f"json_extract_string(_raw, '{instant.path}')")
                if instant
                else "null::timestamp"
            )
            self.rows.execute(
                f"""
                insert into rows
                with landed as (
                    select _raw, {happened} as happened, hash(_raw, _position, {seed}) as place from landed.raw_{source}.{stream}
                )
                select '{source}', '{stream}', _raw,
                    coalesce(happened, timestamp '2000-01-01') + to_days(if(place % 20 = 0, 1 + (place // 20) % 5, 0)::integer), place
                from landed
                union all
                select '{source}', '{stream}', _raw, coalesce(happened, timestamp '2000-01-01') + interval 1 day, hash(place)
                from landed where place % 30 = 1
                """
            )
        self.rows.execute("detach landed")

    def arrive(self, after: datetime | None, until: datetime) -> int:
        """Land what arrives in `[after, until)`, one load a source; returns the rows."""
        return sum(self._land(source, after, until) for source in SOURCES)

    def _land(self, source: str, after: datetime | None, until: datetime) -> int:
        count = 0
        with opened(source, self.settings) as landing, landing.transaction() as load_id:
            for stream in SOURCES[source].streams:
                count += self._insert(landing, load_id, stream, after, until)
                landing.set_complete_through(stream, until)
        return count

    def _insert(
        self,
        landing: Landing,
        load_id: int,
        stream: str,
        after: datetime | None,
        until: datetime,
    ) -> int:
        rows = self.rows.sql(
            f"select line, row_number() over (order by place) as position, 'load-{load_id}' as file from rows "
            "where source = ? and stream = ? and arrives < ? and arrives >= coalesce(?, timestamp '1900-01-01') order by place",
            params=[landing.source, stream, until.replace(tzinfo=None), after and after.replace(tzinfo=None)],
        ).to_arrow_table()  # fmt: skip
        landed = landing.insert(stream, rows.schema, rows.to_batches(), load_id, until)
        landing.record_load(
            load_id, stream, started_at=until, landed=landed, quarantined=0, sync_id=load_id
        )
        return landed


class Builds:
    """dbt in this process: the project is read once, the files are let go after each build."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.manifest: Manifest | None = None

    def prepare(self, now: datetime) -> None:
        """Make what every build stands on and no day changes: seeds, and the views on landing."""
        for database in (EMPTY, FRESH):
            (self.settings.home / database).parent.mkdir(exist_ok=True)
        seeds = ["--select", f"{INCREMENTAL},resource_type:seed", f"{INCREMENTAL},{UNCHANGING}"]
        empty = self._dbt(now, EMPTY, *seeds)
        shutil.copy(empty, self.settings.warehouse_db)

    def on(self, now: datetime) -> Path:
        """Build on in the data folder's own file; returns it."""
        return self._tables(now, self.settings.warehouse_db.name)

    def at_once(self, now: datetime) -> Path:
        """Build everything in a file of its own; returns it."""
        shutil.copy(self.settings.home / EMPTY, self.settings.home / FRESH)
        return self._tables(now, FRESH)

    def _tables(self, now: datetime, database: str) -> Path:
        left_out = ["--exclude", "resource_type:seed", UNCHANGING]
        return self._dbt(now, database, "--select", INCREMENTAL, *left_out)

    def _dbt(self, now: datetime, database: str, *selection: str) -> Path:
        settings = self.settings.over(as_of=now)
        os.environ.update(dbt_environment(settings) | {"WAREHOUSE_DB": database})
        os.chdir(settings.home)
        options = [
            "--quiet", "--project-dir", str(DBT_PROJECT), "--target", "dev", "--target-path", str(settings.dbt_target_dir / "dev"), "--log-path", str(settings.logs_dir / "dbt"),
            "--log-level-file", "none",
        ]  # fmt: skip
        tests = ["--exclude-resource-types", "test", "--exclude-resource-types", "unit_test"]
        if self.manifest is None:
            self.manifest = dbtRunner().invoke(["parse", *options]).result
        built = dbtRunner(manifest=self.manifest).invoke(["build", *selection, *tests, *options])
        DuckDBConnectionManager.close_all_connections()
        if not built.success:
            raise SystemExit(
                f"dbt build failed at {now}: {built.exception or 'its models are named above'}"
            )
        return settings.home / database


def differing(builds: Builds, now: datetime) -> list[str]:
    """Build on, build at once, and compare every table; a line per table that differs."""
    kept, fresh = builds.on(now), builds.at_once(now)
    lines = []
    for schema in ("silver", "gold"):
        tables = contents(kept, schema)
        if not tables:
            raise SystemExit(f"nothing was built in {schema}")
        lines += differences(tables, contents(fresh, schema))
    return lines


def main(arguments: Sequence[str] | None = None) -> int:
    """Replay, build, compare; a line a day."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--landed", type=Path, required=True, help="data folder whose rows arrive again"
    )
    parser.add_argument("--home", type=Path, required=True, help="an empty folder")
    parser.add_argument("--days", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args(arguments)
    replay = Replay(Settings.for_test(chosen.landed), chosen.home, chosen.days, chosen.seed)
    builds = Builds(replay.settings)
    before = replay.settings.as_of
    replay.arrive(None, before)
    builds.prepare(before)
    builds.on(before)
    for number, day in enumerate(replay.days, 1):
        start = process_time()
        rows = replay.arrive(before, day)
        lines = differing(builds, day)
        print(
            f"day {number} until {day:%Y-%m-%d %H:%M}: {rows:,} rows, {len(lines)} tables differ, {process_time() - start:.1f} CPU s",
            flush=True,
        )
        if lines:
            print("\n".join(lines)[:4000])
            return 1
        before = day
    return 0


if __name__ == "__main__":
    sys.exit(main())
