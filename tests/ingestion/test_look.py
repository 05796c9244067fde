"""Looking at a source without landing anything, and the places files can lie in."""

from __future__ import annotations

import json

import fsspec
import pytest

from ingestion import look, runner
from tests.ingestion.test_files import Usage, call, calls
from warehouse.errors import CallError, SourceOff, WarehouseError


@pytest.fixture
def usage(settings, tmp_path):
    folder = tmp_path / "usage"
    folder.mkdir()
    return Usage(settings, folder)


def test_check_counts_the_files(usage):
    usage.put("2025-06-01.jsonl", calls(3).encode())
    assert look.source_check("usage", usage.settings) == "1 files of api_calls"


def test_spec_and_catalog_of_file_sources(usage):
    for name in ("usage", "inputs"):
        assert look.source_spec(name, usage.settings)["connectionSpecification"]["required"] == [
            "location"
        ]
    (stream,) = look.source_discover("usage", usage.settings)["streams"]
    assert stream["source_defined_primary_key"] == [["request_id"]]
    assert stream["json_schema"]["properties"]["status_code"] == {
        "type": "integer",
        "minimum": 100,
        "maximum": 599,
    }


def test_read_shows_the_first_records_and_lands_nothing(usage):
    usage.put("2025-06-01.jsonl", calls(3).encode())
    assert list(look.source_read("usage", usage.settings, limit=2)) == [
        {"stream": "api_calls", "data": call(n)} for n in (0, 1)
    ]
    assert not usage.settings.landing("usage").exists()
    with pytest.raises(CallError, match="no stream nothing"):
        list(look.source_read("usage", usage.settings, stream="nothing"))


def test_read_passes_over_what_is_no_record(usage, caplog):
    bad = b"\n{bad\n" + b"[" * 9999 + b"\n"
    usage.put("2025-06-01.jsonl", calls(1).encode() + bad + calls(1, 9).encode())
    read = list(look.source_read("usage", usage.settings, limit=2))
    assert [record["data"] for record in read] == [call(0), call(9)]
    told = "a line of api_calls is no record and not shown: "
    assert [log.getMessage() for log in caplog.records] == [f"{told}{{bad", told + "[" * 200]


def test_a_source_that_is_off_says_which_setting_it_needs(settings):
    with pytest.raises(SourceOff, match="STRIPE_API_KEY not set"):
        look.source_check("stripe", settings)


def test_a_glob_and_a_file_address(usage):
    usage.put("2025/06-01/a.jsonl", calls(2).encode())
    usage.put("2025/06-02/b.jsonl", calls(2, 10).encode())
    for location in (f"{usage.folder}/2025/06-01/*.jsonl", f"file://{usage.folder}/2025/06-01"):
        found = look.source_check("usage", usage.settings.over(usage_location=location))
        assert found == "1 files of api_calls"
    usage.sync()
    assert [
        name for name, *_ in usage.query("select name, day::text from landing.files order by name")
    ] == ["2025/06-01/a.jsonl", "2025/06-02/b.jsonl"]


def test_an_object_store(settings):
    store = fsspec.filesystem("memory")
    store.pipe("/logs/api/2025-06-01.jsonl", calls(3).encode())
    store.pipe("/logs/api/2025-06-02.jsonl", calls(3, 10).encode())
    settings = settings.over(usage_location="memory://logs/api")
    try:
        assert runner.sync("usage", settings).rows == 6
        assert runner.sync("usage", settings).rows == 0
        assert not list(settings.spool_dir.iterdir())
    finally:
        store.rm("/logs", recursive=True)


def test_a_store_that_does_not_answer_is_one_line(settings):
    with pytest.raises(WarehouseError, match="can't list nosuch://bucket"):
        runner.sync("usage", settings.over(usage_location="nosuch://bucket/x?secret=1"))


def test_full_refresh_of_files_replaces_every_row(usage):
    usage.put("2025-06-01.jsonl", calls(3).encode())
    usage.sync()
    assert usage.sync(full_refresh=True).rows == 3
    assert usage.query("select count(*), min(_load_id) from raw_usage.api_calls") == [(3, 2)]
    assert usage.query("select sum(rows_landed) from landing.loads") == [(3,)]


def test_config_of_any_connector_comes_from_a_file(settings, tmp_path):
    path = tmp_path / "config.json"
    path.write_text(json.dumps([1]))
    with pytest.raises(CallError, match="is no JSON object"):
        runner.sync_exec("true", path, "x", settings)
    with pytest.raises(CallError, match="can't start no-such-program"):
        runner.sync_exec("no-such-program", {}, "x", settings)
