"""Readers in processes of their own, while versions are published and refused: never mixed, never unaudited, never an error."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import duckdb
import pytest

from serving.publish import publish, versions
from serving.sql import query
from tests.faults.dying import SERVER
from tests.quality.company import NOW, build_gold, settings_of
from tests.serving.test_publish import RESULT, pass_gates
from warehouse import duck, ledger
from warehouse.errors import GateRefused
from warehouse.settings import Settings


@dataclass
class Seen:
    """What one reader saw: reads by stamp, and whatever must never be."""

    by: str
    stamps: Counter[int] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)


def asked(settings: Settings, how: str, sql: str) -> list[tuple[Any, ...]]:
    """One read: through serving.sql, or by opening the file that everybody is told of."""
    if how != "file":
        return query(settings, sql, edition=how).rows
    path = settings.published_dir / "current" / "restricted.duckdb"
    with duckdb.connect(str(path), read_only=True) as con:
        return con.execute(sql).fetchall()


def read(settings: Settings, how: str, sql: str, done, pipe) -> None:
    """Read until told to stop; each read asks all tables for their stamp and their rows."""
    seen = Seen(how)
    while not done.is_set():
        try:
            tables = asked(settings, how, sql)
        except BaseException as error:  # noqa: BLE001 - a reader must never fail
            seen.faults.append(repr(error)[:300])
            break
        stamps = {stamp for _, *found in tables for stamp in found}
        if len(stamps) != 1:
            seen.faults.append(f"mixed: {tables}")
        seen.stamps[min(stamps)] += 1
    pipe.send(seen)


def stamped(settings: Settings, stamp: int) -> list[str]:
    """Gold with the same stamp in each table, and one value that only this stamp has; the tables' names."""
    build_gold(settings, f"update gold.dim_customers set mrr = {stamp} where mrr > 0")
    with duck.connect(settings.warehouse_db) as con:
        names = [
            name
            for (name,) in con.execute(
                "select table_name from duckdb_tables() where schema_name = 'gold' order by 1"
            ).fetchall()
        ]
        for name in names:
            con.execute(f"alter table gold.{name} add column stamp integer default {stamp}")
    return names


def refuse(settings: Settings) -> None:
    """The gate's last word on what stands in the warehouse is no."""
    bad = (*RESULT[:6], False, "1", "1 rows break it", "")
    ledger.record_check(
        settings, run_id="refused", gate="gold", passed=False, checked_at=NOW, results=[bad]
    )


@pytest.mark.parametrize(
    ("publishes", "refused", "reads"),
    [
        pytest.param(6, 2, 30, id="a few"),
        pytest.param(50, 10, 500, id="many", marks=[pytest.mark.soak, pytest.mark.timeout(3600)]),
    ],
)
def test_readers_see_whole_audited_versions_only(tmp_path, publishes, refused, reads):
    settings = settings_of(tmp_path / "home", memory_limit="1GB")
    names = stamped(settings, 1)
    pass_gates(settings)
    publish(settings)
    sql = " union all ".join(
        [
            *(f"select '{name}', min(stamp), max(stamp) from gold.{name}" for name in names),
            "select 'its own value', max(mrr)::integer, max(mrr)::integer from gold.dim_customers",
        ]
    )
    done = SERVER.Event()
    readers = []
    for how in ("restricted", "analyst", "file"):
        ours, theirs = SERVER.Pipe(duplex=False)
        process = SERVER.Process(target=read, args=(settings, how, sql, done, theirs))
        process.start()
        readers.append((process, ours))
    audited, turned_away = {1}, set()
    try:
        for turn in range(1, publishes + 1):
            stamp = turn + 1
            stamped(settings, stamp)
            pass_gates(settings)
            if turn % (publishes // refused) == 0:
                refuse(settings)
                with pytest.raises(GateRefused):
                    publish(settings)
                turned_away.add(stamp)
            else:
                assert publish(settings).is_new
                audited.add(stamp)
    finally:
        done.set()
        found = [ours.recv() for _, ours in readers]
        for process, _ in readers:
            process.join()
    assert [seen.faults for seen in found] == [[], [], []]
    stamps = sum((seen.stamps for seen in found), Counter())
    print(f"\n{stamps.total()} reads of {len(stamps)} versions, {len(turned_away)} refused")
    assert len(turned_away) == refused
    assert stamps.total() >= reads
    assert set(stamps) <= audited
    assert len(stamps) > len(audited) / 2
    assert len(versions(settings)) == settings.keep_versions
