"""dbt on Spark, as a process of its own: a session on the cluster, dbt commands in it, and what the executors did.

dbt-spark's session method runs where dbt runs, so that the session has to be there first: with our settings, and
stopped at the end (a session that is left to the interpreter's exit starts executors that nobody waits for).

Reads: the lake (`lake/raw`), as external tables. Writes: `<home>/spark/` (tables, metastore), dbt's artifacts, and
beside them `executors.json`: the tasks of each executor, as Spark's own REST API tells them.
Run: `python -m warehouse.spark`, by `warehouse.spark_session`; reads a command a line, such as
`{"now": "2025-07-01 00:00:00", "arguments": ["build", "--select", "…"]}`, and writes what dbt says, then a line that
`exit_code` knows.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from warehouse import locks
from warehouse.errors import CallError
from warehouse.settings import Settings, environment_is_set, load_settings, set_for_children

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

TARGET = "spark"
EXECUTORS = "executors.json"
# of the cluster's catalog, these are ours
SCHEMAS = ("bronze", "silver", "gold")
APP_NAME = "warehouse"
_ENDED = "exit code of dbt"
# the compiler that is ready soonest; its room for code is a fifth of the usual, and once full it compiles nothing more
_QUICK = ("-XX:TieredStopAtLevel=1", "-XX:ReservedCodeCacheSize=240m", "-XX:+UseSerialGC")


def configuration(settings: Settings) -> dict[str, str]:
    """Spark's own settings: ours, and over them those of `SPARK_PROPERTIES`, a file like spark-submit's."""
    folder = settings.spark_dir
    ours = {
        "spark.app.name": APP_NAME,
        "spark.master": settings.spark_master,
        "spark.sql.warehouse.dir": str(folder / "warehouse"),
        "spark.hadoop.javax.jdo.option.ConnectionURL": f"jdbc:derby:;databaseName={folder / 'metastore'};create=true",
        "spark.driver.extraJavaOptions": _java(f"-Dderby.system.home={folder}"),
        "spark.executor.extraJavaOptions": _java(),
        "spark.driver.memory": settings.spark_driver_memory,
        "spark.sql.session.timeZone": "UTC",
        "spark.ui.showConsoleProgress": "false",
        # an executor's log would tell of each task, ten lines each
        "spark.log.level": "ERROR",
        "spark.executor.syncLogLevel.enabled": "true",
        # DuckDB's rule for products of decimals: all places are kept, and what has no room is an error
        "spark.sql.decimalOperations.allowPrecisionLoss": "false",
        # files have no zone, and all instants are UTC
        "spark.sql.parquet.inferTimestampNTZ.enabled": "false",
        "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    }
    if settings.spark_master.startswith("local"):
        ours |= {
            "spark.driver.host": "127.0.0.1",
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.ui.port": "0",
            "spark.port.maxRetries": "64",
            # Hundreds of small queries cost their planning, not their rows: one task where rows meet (the other
            # executor has other queries), no second plan while they run, no code made for each, no query that only
            # prunes another, and little kept of what has run. A cluster keeps Spark's own defaults.
            "spark.sql.shuffle.partitions": "1",
            "spark.default.parallelism": "2",
            "spark.sql.adaptive.enabled": "false",
            "spark.sql.codegen.wholeStage": "false",
            "spark.sql.optimizer.dynamicPartitionPruning.enabled": "false",
            # a folder a day is found by looking, not by asking Derby for each of them
            "spark.sql.hive.manageFilesourcePartitions": "false",
            "spark.ui.retainedJobs": "20",
            "spark.ui.retainedStages": "20",
            "spark.sql.ui.retainedExecutions": "5",
            "spark.locality.wait": "0s",
            # hundreds of small files of a table are one task's, and are found by the driver
            "spark.sql.files.openCostInBytes": "64k",
            "spark.sql.files.minPartitionNum": "1",
            "spark.sql.sources.parallelPartitionDiscovery.threshold": "100000",
            # of the gigabyte that local-cluster's workers have; beside it a Java process needs 400 MB of its own
            "spark.executor.memory": "500m",
            "spark.driver.extraJavaOptions": _java(f"-Dderby.system.home={folder}", *_QUICK),
            "spark.executor.extraJavaOptions": _java(*_QUICK),
        }
    return ours | _properties(settings.spark_properties)


def tables_folder(settings: Settings) -> Path:
    """Where the cluster keeps the tables of its catalog, as this machine sees it."""
    return Path(configuration(settings)["spark.sql.warehouse.dir"].removeprefix("file:"))


def _java(*options: str) -> str:
    return " ".join(("-Duser.timezone=UTC", *options))


def _properties(path: Path | None) -> dict[str, str]:
    """A file of `name value` or `name=value` lines, as Spark reads its defaults."""
    if path is None:
        return {}
    if not path.exists():
        raise CallError(f"SPARK_PROPERTIES: there is no file {path}", "name one, or unset it")
    lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    pairs = [re.split(r"[\s=]+", line, maxsplit=1) for line in lines if line[:1] not in {"", "#"}]
    if bare := [pair[0] for pair in pairs if len(pair) == 1]:
        raise CallError(
            f"SPARK_PROPERTIES: '{bare[0]}' in {path} has no value",
            "write `name value`, a line each",
        )
    return dict(pairs)


def _installation(settings: Settings) -> Path:
    """The installed Spark under a folder of ours: what its workers write goes there, and it reads our `conf`."""
    import pyspark

    installed = Path(pyspark.__file__).parent
    folder = settings.spark_dir / "installation"
    # a worker leaves a folder for every session
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "conf").mkdir(parents=True, mode=0o700)
    for part in ("bin", "jars"):
        (folder / part).symlink_to(installed / part)
    for absent in ("mapred", "yarn"):
        # two thirds of Hadoop's settings are theirs, and each query takes all along to each executor
        (folder / "conf" / f"{absent}-default.xml").write_text("<configuration/>\n")
    return folder


@contextmanager
def open_session(settings: Settings) -> Iterator[SparkSession]:
    """A Spark session that finds the tables of the last one, stopped at the end of the block."""
    from pyspark.sql import SparkSession

    settings.spark_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    _forget_another_place(settings)
    if settings.spark_master.startswith("local"):
        set_for_children("SPARK_HOME", str(_installation(settings)))
        # a laptop's own name may resolve to an address that nobody listens on
        set_for_children("SPARK_LOCAL_IP", "127.0.0.1")
        # a heap of the C library for each of a hundred threads would never be given back
        set_for_children("MALLOC_ARENA_MAX", "2")
    builder = SparkSession.builder.enableHiveSupport()
    for name, value in configuration(settings).items():
        builder = builder.config(name, value)
    opened = builder.getOrCreate()
    try:
        yield opened
    finally:
        opened.stop()


def _forget_another_place(settings: Settings) -> None:
    """Our metastore knows tables by whole paths: one that came with a moved or copied folder leads to the old one.

    Without it the next build makes everything anew, where it is now.
    """
    place = settings.spark_dir / "place"
    here = str(settings.spark_dir)
    if place.exists() and place.read_text(encoding="utf-8") != here:
        shutil.rmtree(settings.spark_dir / "metastore", ignore_errors=True)
    place.write_text(here, encoding="utf-8")


def hold_session(settings: Settings) -> AbstractContextManager[int]:
    """The lock of our Spark sessions: one at a time knows the catalog.

    Who needs the warehouse's lock too takes this one first.
    """
    return locks.hold(
        settings.spark_dir / "session", what="a Spark session", timeout=settings.lock_timeout
    )


def _remove_leftovers(session: SparkSession, settings: Settings) -> None:
    """Files of a build that was killed lie where no table is, and Spark would refuse to make one there."""
    for schema in SCHEMAS:
        folder = tables_folder(settings) / f"{schema}.db"
        if not folder.is_dir():
            continue
        # a metastore that was lost knows none of them
        session.sql(f"create schema if not exists {schema}")
        known = {row["tableName"] for row in session.sql(f"show tables in {schema}").collect()}
        for path in folder.iterdir():
            if path.name not in known:
                shutil.rmtree(path)


def executors(session: SparkSession) -> list[dict[str, Any]]:
    """What Spark's REST API says of each executor, the driver left out; nothing where the cluster has it off."""
    context = session.sparkContext
    if not context.uiWebUrl:
        return []
    address = f"{context.uiWebUrl}/api/v1/applications/{context.applicationId}/allexecutors"
    with urllib.request.urlopen(address, timeout=30) as answer:  # noqa: S310 - the session's own address
        said = json.load(answer)
    return [executor for executor in said if executor["id"] != "driver"]


def require() -> None:
    """See that the target's parts are installed.

    Raises:
        CallError: One is missing; the message says which, and how to get it.
    """
    if any(find_spec(name) is None for name in ("pyspark", "dbt.adapters.spark")):
        raise CallError("pyspark and dbt-spark are not installed", "make install-scale")
    if shutil.which("java") is None and not environment_is_set("JAVA_HOME"):
        raise CallError(
            "there is no Java", "install a runtime of version 17 (Debian: openjdk-17-jre-headless)"
        )


def keep_ansi() -> None:
    """Undo dbt-spark's switching off of ANSI: without it a failed cast is NULL and an overflow wraps, in silence."""
    from dbt.adapters.spark.connections import SparkCredentials

    theirs = SparkCredentials.__post_init__

    def ours(credentials: Any) -> None:
        theirs(credentials)
        credentials.server_side_parameters["spark.sql.ansi.enabled"] = "true"

    SparkCredentials.__post_init__ = ours


def main(commands: Iterable[str], settings: Settings | None = None) -> int:
    """Run one dbt command after the other, in one session; returns 2 where a part of it is not installed."""
    settings = settings or load_settings()
    try:
        require()
    except CallError as error:
        print(f"Error: {error.message}: {error.hint}", file=sys.stderr)  # noqa: T201 - the parent reads it
        return 2
    keep_ansi()
    from dbt.cli.main import dbtRunner

    with open_session(settings) as session:
        _remove_leftovers(session, settings)
        for line in commands:
            command = json.loads(line)
            arguments = command["arguments"]
            # a session may be older than what a command is about
            set_for_children("WAREHOUSE_NOW", command["now"])
            outcome = dbtRunner().invoke(arguments)
            if outcome.exception is not None:
                print(outcome.exception, file=sys.stderr)  # noqa: T201 - the parent reads it
            _keep_evidence(executors(session), _option(arguments, "--target-path"))
            code = 0 if outcome.success else 1
            print(json.dumps({_ENDED: code}), flush=True)  # noqa: T201 - the parent reads it
    return 0


def exit_code(line: str) -> int | None:
    """The exit code of a command, where a line of the process says that it has ended."""
    return int(json.loads(line)[_ENDED]) if line.startswith(f'{{"{_ENDED}":') else None


def _option(arguments: list[str], name: str) -> Path:
    return Path(arguments[arguments.index(name) + 1])


def _keep_evidence(said: list[Mapping[str, Any]], target: Path) -> None:
    rows = [
        {"executor": one["id"], "host": one["hostPort"], "tasks": one["totalTasks"], "failed": one["failedTasks"]}
        for one in said
    ]  # fmt: skip
    (target / EXECUTORS).write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.stdin))
