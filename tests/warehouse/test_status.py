"""`warehouse status` says what is landed, built, passed and published, and what is off."""

from __future__ import annotations

import json
from datetime import datetime

import pytest

from serving.publish import publish
from tests.quality.company import NOW, build_gold, build_landing, land, settings_of
from tests.serving.test_publish import pass_gates
from warehouse import duck, ledger
from warehouse.status import DAMAGED, status


@pytest.fixture
def settings(tmp_path):
    return settings_of(tmp_path)


def source(report, name):
    (row,) = [row for row in report["sources"] if row["source"] == name]
    return row


def test_before_the_first_run(settings):
    report = status(settings)
    assert [row["note"] for row in report["sources"]] == ["never synced"] * 5
    assert report["builds"] == []
    assert report["gates"] == []
    assert report["published"] is None
    assert any("nothing yet" in line for line in report["lines"])
    json.dumps(report, default=str)


def test_after_a_run(settings):
    build_landing(settings)
    land(settings, "usage", "api_calls", {"request_id": "2"}, load_id=2, quarantined=3)
    build_gold(settings)
    pass_gates(settings)
    version = publish(settings)
    report = status(settings)
    usage = source(report, "usage")
    assert (usage["rows"], usage["quarantined"], usage["last_status"]) == (2, 3, "complete")
    assert usage["complete_through"] == datetime(2025, 2, 28)
    assert usage["last_sync"] == datetime(2025, 2, 28, 0, 1)
    assert usage["note"] == ""
    assert [build["layer"] for build in report["builds"]] == ["silver", "gold", "ml"]
    assert [(gate["gate"], gate["passed"], gate["holds"]) for gate in report["gates"]] == [
        ("raw", True, True), ("gold", True, True), ("scores", True, True),
    ]  # fmt: skip
    assert report["published"]["version"] == version.name
    assert any(version.name in line for line in report["lines"])
    assert report["lines"][-2:] == [
        "gap: product.logins empty 2025-01-20",
        "gap: usage.api_calls missing 2025-01-10 to 2025-01-11",
    ]


@pytest.mark.parametrize("left", [None, 0, 0.5])
def test_a_damaged_version_is_said_and_all_else_is_shown(settings, left):
    build_gold(settings)
    pass_gates(settings)
    file = publish(settings).path / "restricted.duckdb"
    whole = file.read_bytes()
    file.unlink()
    if left is not None:
        file.write_bytes(whole[: int(len(whole) * left)])
    report = status(settings)
    assert report["gaps"] == []
    assert len(report["gates"]) == 3
    assert report["lines"][-1] == DAMAGED


def test_failed_sync_and_damaged_file_are_told(settings):
    build_landing(settings)
    con = duck.connect(settings.landing("stripe"))
    con.execute(
        "insert into landing.syncs values (2, 'stripe', '2025-03-01', '2025-03-01 00:01:00', 'failed', 'HTTP 401')"
    )
    con.close()
    settings.landing("support").write_bytes(b"not a database" * 1000)
    report = status(settings)
    assert source(report, "stripe")["note"] == "last sync failed: HTTP 401"
    assert "can't open" in source(report, "support")["note"]
    assert source(report, "usage")["note"] == ""


def test_source_without_settings_is_off_in_real_mode(tmp_path):
    report = status(settings_of(tmp_path, mode="real", stripe_api_key="rk_live_x"))
    assert source(report, "support")["note"].startswith(
        "off: SUPPORT_BASE_URL, SUPPORT_TOKEN not set"
    )
    assert source(report, "stripe")["is_on"]
    assert source(report, "stripe")["note"] == "never synced"


def test_gate_that_the_last_build_overtook_is_told(settings):
    build_gold(settings)
    pass_gates(settings)
    ledger.record_build(settings, "gold", NOW)
    gates = {gate["gate"]: gate for gate in status(settings)["gates"]}
    assert gates["raw"]["holds"]
    assert not gates["gold"]["holds"]
    assert "was built after" in gates["gold"]["reason"]
