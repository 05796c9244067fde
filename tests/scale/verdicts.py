"""Two suites over two tables on an engine, as a process of its own: whoever has hidden pyspark from GE can't use it later.

Run: `python -m tests.scale.verdicts duckdb|spark HOME`; prints a JSON list of each check's table, what it says and found.
"""

from __future__ import annotations

import json
import sys
from contextlib import closing
from datetime import datetime
from pathlib import Path

from quality.expectations import CheckResult, Suite
from quality.suites.gold import Table, suite_of
from quality.suites.promises import Promise
from warehouse import duck
from warehouse.settings import Settings

NOW = datetime(2025, 7, 1)
# NULL in a key, a key twice, a day in the future, a currency in small letters, shares beyond 0 and 1, nobody's customer
ROWS = """
select * from (values
    ('a', 'c1', cast(1.50 as decimal(18, 2)), 'USD', 0.5e0, date '2025-06-01', timestamp '2025-06-01 00:00:00'),
    ('a', 'c2', cast(2.00 as decimal(18, 2)), 'usd', 1.5e0, date '2025-06-02', timestamp '2025-06-02 00:00:00'),
    (cast(null as string), 'c3', null, 'EUR', -0.5e0, date '2025-09-01', timestamp '2025-09-01 00:00:00')
) as t(id, customer_id, amount, currency, probability, date_partition, occurred_at)
"""
# the same columns with other faults: two rows of one key, one customer who is nobody
REFUNDS = """
select * from (values
    ('a', 'c1', cast(1.50 as decimal(18, 2)), 'USD', 0.5e0, date '2025-06-01', timestamp '2025-06-01 00:00:00'),
    ('a', 'c1', cast(1.50 as decimal(18, 2)), 'USD', 0.5e0, date '2025-06-01', timestamp '2025-06-01 00:00:00'),
    ('b', 'c4', cast(1.50 as decimal(18, 2)), 'EUR', 0.5e0, date '2025-06-01', timestamp '2025-06-01 00:00:00')
) as t(id, customer_id, amount, currency, probability, date_partition, occurred_at)
"""
CUSTOMERS = "select * from (values ('c1'), ('c2')) as t(customer_id)"
COLUMNS = {
    "id": "VARCHAR", "customer_id": "VARCHAR", "amount": "DECIMAL(18,2)", "currency": "VARCHAR",
    "probability": "DOUBLE", "date_partition": "DATE", "occurred_at": "TIMESTAMP",
}  # fmt: skip


def suites() -> list[Suite]:
    """What gate gold asks of such tables, and of a published one that had 20 rows and a column more."""
    tables = {
        "payments": Table("payments", COLUMNS, 3, 20),
        "refunds": Table("refunds", COLUMNS, 3),
        "dim_customers": Table("dim_customers", {"customer_id": "VARCHAR"}, 2),
    }
    promise = Promise(columns=("id", "amount", "lost"), grain=("customer_id", "date_partition"))
    return [
        suite_of("payments", tables, NOW, promise, ()),
        suite_of("refunds", tables, NOW, Promise(), ()),
    ]


def on_duckdb(settings: Settings) -> list[CheckResult]:
    """The suites in a warehouse file."""
    from quality.engine import DuckDBEvaluator

    con = duck.connect(settings.warehouse_db)
    con.execute("create schema gold")
    con.execute(f"create table gold.payments as {ROWS}")
    con.execute(f"create table gold.refunds as {REFUNDS}")
    con.execute(f"create table gold.dim_customers as {CUSTOMERS}")
    con.close()
    with closing(DuckDBEvaluator(threads=1)) as opened:
        opened.attach_schema(settings.warehouse_db, "gold")
        return opened.run_all("gold", suites())


def on_spark(settings: Settings) -> list[CheckResult]:
    """The suites in a Spark session, of a table of which one row more had come back; and one of a table that is lost."""
    from quality.engine_spark import SparkEvaluator
    from warehouse.spark import open_session

    with open_session(settings) as session:
        session.sql("create schema gold")
        session.sql(f"create table gold.payments using parquet as {ROWS}")
        session.sql(f"create table gold.refunds using parquet as {REFUNDS}")
        session.sql(f"create table gold.dim_customers using parquet as {CUSTOMERS}")
        rows = {"payments": 4, "lost": 1}
        opened = SparkEvaluator(session, rows, settings.home / "docs")
        lost = Suite("gold.lost", "gold.lost", ("gold", "lost"))
        found = opened.run_all("gold", [*suites(), lost])
        opened.build_docs()
        return found


if __name__ == "__main__":
    engine, home = sys.argv[1:]
    settings = Settings.for_test(Path(home), target=engine, spark_master="local[1]")
    found = {"duckdb": on_duckdb, "spark": on_spark}[engine](settings)
    rows = [[one.table, one.expectation, one.success, one.observed, one.detail] for one in found]
    print(json.dumps(rows))
