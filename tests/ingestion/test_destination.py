"""What the destination promises of any connector: nothing lost, nothing twice, nothing half."""

from __future__ import annotations

import json

import pytest

from ingestion.destination import waiting
from tests.ingestion.conftest import raw_record, record, state, status
from warehouse.errors import IncompleteLoad, QuarantineExceeded


def good(count, start=0):
    return [record({"id": f"i{n}", "n": n}) for n in range(start, start + count)]


def test_rows_and_cursor_land_together(desk):
    result = desk.sync(count={"items": 25}, page=10)
    assert (result.rows, result.quarantined) == (25, 0)
    assert desk.query("select stream, state, complete_state, is_complete from landing.state") == [
        ("items", '{"next": 25}', '{"next": 25}', True)
    ]
    assert desk.query("select stream, sum(rows_landed) from landing.loads group by stream") == [
        ("items", 25)
    ]
    assert desk.query("select status from landing.syncs") == [("complete",)]
    assert desk.query(
        "select distinct _extracted_at::text, _generation, _file from raw_fake.items"
    ) == [("2025-01-01 00:00:00", 0, None)]
    assert str(result.complete_through) == "2025-07-01 00:00:00+00:00"


def test_resumes_from_the_last_state_after_the_source_went_away(desk):
    with pytest.raises(IncompleteLoad, match="the source went away"):
        desk.sync(count={"items": 50}, page=10, stop_after=35)
    assert len(desk.ids()) == 30  # whole slices only
    assert desk.query("select state, is_complete from landing.state") == [('{"next": 30}', False)]
    assert desk.query("select status, message like '%went away%' from landing.syncs") == [
        ("failed", True)
    ]
    desk.sync(count={"items": 50}, page=10)
    assert desk.ids() == [f"items_{n}" for n in range(50)]


def test_one_stream_incomplete_the_other_lands(desk):
    with pytest.raises(IncompleteLoad, match="others not complete"):
        desk.play(
            record({"id": "a"}),
            status("COMPLETE"),
            record({"id": "b"}, "others"),
            status("INCOMPLETE", "others"),
            streams=["items", "others"],
        )
    assert desk.ids() == ["a"]
    assert desk.ids("others") == []


def test_a_stream_without_complete_is_a_failed_load(desk):
    with pytest.raises(IncompleteLoad, match="items not complete"):
        desk.play(*good(3), state({"next": 3}), record({"id": "tail"}))
    assert desk.ids() == ["i0", "i1", "i2"]  # what stands after the last state is not kept


def test_a_wrong_record_count_is_not_committed(desk):
    with pytest.raises(
        IncompleteLoad, match="says it sent 4 records since its last state, 3 arrived"
    ):
        desk.play(
            *good(2),
            state({"next": 2}, count=2),
            *good(3, 2),
            state({"next": 5}, count=4),
            status("COMPLETE"),
        )
    assert desk.ids() == ["i0", "i1"]
    assert desk.query("select state from landing.state") == [('{"next": 2}',)]


def test_an_empty_stream_after_a_swallowed_403_is_a_failed_load(desk):
    refused = {
        "type": "LOG",
        "log": {"level": "WARN", "message": "items: 403 Forbidden, ignoring the response"},
    }
    with pytest.raises(IncompleteLoad, match=r"items has no records, after: .*403"):
        desk.play(refused, status("COMPLETE"))
    assert desk.play(status("COMPLETE")).rows == 0


def test_bad_rows_are_set_aside_with_their_reason(desk):
    bad = [{"id": "x", "n": 1.5}, {"id": None, "n": 1}]
    result = desk.play(
        *good(300), *map(record, bad), state({"next": 1}, count=302), status("COMPLETE")
    )
    assert (result.rows, result.quarantined) == (300, 2)
    assert desk.query("select stream, line, reason from landing.quarantine order by line") == [
        ("items", 301, "n: 1.5 is not an integer"),
        ("items", 302, "id: missing"),
    ]
    assert desk.query("select sum(rows_landed), sum(rows_quarantined) from landing.loads") == [
        (300, 2)
    ]


def test_too_many_bad_rows_abort_their_slice_and_keep_the_slices_before(desk):
    bad = [record({"id": f"b{n}", "n": "x"}) for n in range(5)]
    with pytest.raises(
        QuarantineExceeded, match=r'5 of 105 records .* the first: items, n: "x" is not an integer'
    ):
        desk.play(
            *good(100),
            state({"next": 100}),
            *bad,
            *good(100, 100),
            state({"next": 200}),
            status("COMPLETE"),
        )
    assert len(desk.ids()) == 100
    assert desk.query("select count(*) from landing.quarantine") == [(0,)]
    assert desk.query("select state from landing.state") == [('{"next": 100}',)]


@pytest.fixture
def small_pieces(monkeypatch):
    """Hundreds of pieces instead of one, most of them waiting in a file."""
    monkeypatch.setattr(waiting, "PIECE_BYTES", 500)
    monkeypatch.setattr(waiting, "MEMORY_BYTES", 1000)


def test_streams_that_take_turns_land_in_the_order_in_which_they_came(desk, small_pieces):
    said = [record({"id": f"i{n}"}, "items" if n % 3 or n < 100 else "others") for n in range(300)]
    result = desk.play(
        *said[:200], state({"next": 1}, count=167), *said[200:], state({"next": 2}), status("COMPLETE"),
        status("COMPLETE", "others"), streams=["items", "others"],
    )  # fmt: skip
    assert (result.rows, result.loads) == (300, 1)
    places = dict(
        desk.query(
            "select _raw::json->>'id', _position from raw_fake.items "
            "union all select _raw::json->>'id', _position from raw_fake.others"
        )
    )
    assert places == {f"i{n}": n + 1 for n in range(300)}
    assert desk.ids("others") == [f"i{n}" for n in range(102, 300, 3)]


def test_a_commit_of_many_pieces_keeps_its_good_slices_only(desk, small_pieces):
    bad = [record({"id": f"b{n}", "n": "x"}) for n in range(30)]
    with pytest.raises(QuarantineExceeded, match=r"30 of 130 records"):
        desk.play(
            *good(100), record({"id": "odd", "n": "y"}), state({"next": 101}, count=101),
            *good(100, 100), *bad, state({"next": 200}), *good(100, 200), state({"next": 300}), status("COMPLETE"),
        )  # fmt: skip
    assert desk.ids() == [f"i{n}" for n in range(100)]
    assert desk.query("select line, raw from landing.quarantine") == [(101, '{"id":"odd","n":"y"}')]
    assert desk.query("select state from landing.state") == [('{"next": 101}',)]
    assert desk.query("select rows_landed, rows_quarantined from landing.loads") == [(100, 1)]


def test_the_other_livemode_is_set_aside_and_is_no_damage(desk):
    rows = [record({"id": "t", "livemode": True}), record({"id": "s", "livemode": False})]
    result = desk.play(*rows, state({}), status("COMPLETE"), mode=True)
    assert desk.ids() == ["t"]
    assert desk.query("select reason from landing.quarantine") == [
        ("livemode is false, expected true",)
    ]
    assert result.warnings


ODD_VALUES = [
    ('{"id":"a","n":NaN}', "NaN is not a number in JSON"),
    ('{"id":"a","other":-Infinity}', "-Infinity is not a number in JSON"),
    ('{"id":"a","price":1e400}', "price: 1e400 is too large for a number"),
    ('{"id":"a","n":9223372036854775808}', "n: 9223372036854775808 does not fit into 64 bits"),
    ('{"id":"a","n":99999999999999999999}', "n: 99999999999999999999 does not fit into 64 bits"),
    ('{"id":"a","n":1.5}', "n: 1.5 is not an integer"),
    ('{"id":"a","n":1.0}', "n: 1.0 is not an integer"),
    ('{"id":"a","n":true}', "n: true is not an integer"),
    ('{"id":"a","n":"7"}', 'n: "7" is not an integer'),
    ('{"id":"a","price":"1,5"}', 'price: "1,5" is not a number'),
    ('{"id":"a","price":false}', "price: false is not a number"),
    ('{"id":"a","on":1}', "on: 1 is not true or false"),
    ('{"id":"a","on":"true"}', 'on: "true" is not true or false'),
    ('{"id":7}', "id: 7 is not text"),
    ('{"id":""}', "id: empty"),
    ('{"n":7}', "id: missing"),
    ('{"id":"a","at":"2025-01-01T00:00:00"}', 'at: "2025-01-01T00:00:00" has no time zone'),
    (
        '{"id":"a","at":"2025-02-30T00:00:00Z"}',
        'at: "2025-02-30T00:00:00Z" does not exist in the calendar',
    ),
    (
        '{"id":"a","at":"2025-01-01T24:00:00Z"}',
        'at: "2025-01-01T24:00:00Z" does not exist in the calendar',
    ),
    (
        '{"id":"a","at":"55840-01-01T00:00:00Z"}',
        'at: "55840-01-01T00:00:00Z" is not an instant like 2025-06-30T12:00:00Z',
    ),
    ('{"id":"a","at":"infinity"}', 'at: "infinity" is not an instant like 2025-06-30T12:00:00Z'),
    ('{"id":"a","at":1735689600}', "at: 1735689600 is not an ISO 8601 text"),
    ('{"id":"a",}', "not JSON: Expecting property name enclosed in double quotes at character 11"),
    ('{"id":"a","other":"\\ud83d"}', "half a surrogate pair, such as half an emoji"),
    ('{"id":"a","other":[{"\\ude00\\ud83d":1}]}', "half a surrogate pair, such as half an emoji"),
    ('{"id":"a","deep":' + "[" * 600 + "]" * 600 + "}", "nested deeper than 512"),
]


@pytest.mark.parametrize(("text", "reason"), ODD_VALUES, ids=[text[:50] for text, _ in ODD_VALUES])
def test_odd_values(text, reason):
    from ingestion.destination import checking
    from ingestion.destination.lines import Lines
    from ingestion.destination.typecheck import rules_from_schema
    from warehouse import duck

    schema = {
        "properties": {
            "n": {"type": "integer"},
            "price": {"type": "number"},
            "on": {"type": "boolean"},
            "id": {"type": "string"},
            "at": {"type": "string", "format": "date-time"},
        }
    }
    good_row = '{"id":"g","n":9007199254740993,"price":0.10,"on":true,"at":"2025-01-01T05:30:00.123456+05:30"}'
    with duck.connect(":memory:") as con:
        found = checking.check(
            lambda: con,
            Lines.of([good_row, text, good_row]),
            rules_from_schema(schema, ("id",)),
        )
    assert found.bad == {1: reason}


def test_a_record_is_kept_exactly_as_it_was_sent(desk):
    text = '{"id":"a", "price" : 1.10,"big":12345678901234567.891, "u":"\\u00e9\\n","é":{"x":[1.0,1E2]}}'
    spaced = f'{{"type": "RECORD", "record": {{"stream": "items", "data": {text}, "emitted_at": 1735689600000}}}}'.encode()
    odd = f'{{"record":{{"namespace":null,"emitted_at":1735689600000,"data":{text},"stream":"items"}},"type":"RECORD"}}'.encode()
    desk.play(raw_record(text), spaced, odd, status("COMPLETE"))
    assert (
        desk.query("select _raw, _extracted_at::text from raw_fake.items")
        == [(text, "2025-01-01 00:00:00")] * 3
    )


def test_what_is_no_message_is_a_log_and_a_damaged_record_is_set_aside(desk):
    result = desk.play(
        b"Starting up ...",
        *good(200),
        b'{"type":"RECORD","record":{"stream":"items","data":{"id":',
        status("COMPLETE"),
    )
    assert (result.rows, result.quarantined) == (200, 1)
    assert desk.query("select stream, reason from landing.quarantine") == [("?", "not JSON")]


NOT_UTF8 = [
    b'{"type":"RECORD","record":{"stream":"items","data":{"id":"\xff"},"emitted_at":1}}',
    b'{ "type":"RECORD","record":{"stream":"items","data":{"id":"\xff"},"emitted_at":1}}',
    b'{"record":{"stream":"items","data":{"id":"\xff"},"emitted_at":1},"type":"RECORD"}',
]
CUT_OFF = [
    b'{ "type": "RECORD", "record": {"stream": "items", "data": {"id": "cut',
    b'{"record":{"stream":"items","data":{"id":"cut',
]


@pytest.mark.parametrize("line", NOT_UTF8 + CUT_OFF)
def test_a_damaged_record_is_set_aside_wherever_its_type_stands_and_counted_as_sent(desk, line):
    result = desk.play(*good(399), line, state({"next": 1}, count=400), status("COMPLETE"))
    assert (result.rows, result.quarantined) == (399, 1)
    reason = "not UTF-8" if line in NOT_UTF8 else "not JSON"
    assert desk.query("select stream, reason from landing.quarantine") == [("?", reason)]


def test_a_damaged_record_does_not_stand_for_others_that_are_missing(desk):
    """It may be one record of one stream: of two that are missing one is lost, and of one that is missing later."""
    said = (*good(399), NOT_UTF8[0])
    with pytest.raises(IncompleteLoad, match="it sent 401 records since its last state, 399 arr"):
        desk.play(*said, state({"next": 1}, count=401), status("COMPLETE"))
    said = (*said, state({"next": 1}, count=400), *good(99, 400), state({"next": 2}, count=100))
    with pytest.raises(IncompleteLoad, match="it sent 100 records since its last state, 99 arr"):
        desk.play(*said, status("COMPLETE"))
    assert len(desk.ids()) == 399


@pytest.mark.parametrize("depth", [600, 1200, 100_000])
@pytest.mark.parametrize("is_first", [True, False])
def test_a_record_nested_too_deeply_is_set_aside(desk, depth, is_first):
    deep = raw_record('{"id":"deep","x":' + "[" * depth + "]" * depth + "}")
    said = [deep, *good(200)] if is_first else [*good(200), deep]
    result = desk.play(*said, state({"next": 1}, count=201), status("COMPLETE"))
    assert (result.rows, result.quarantined) == (200, 1)
    ((reason,),) = desk.query("select reason from landing.quarantine")
    assert reason.startswith("nested ")


def trace(**content):
    return {"type": "TRACE", "trace": content}


EMPTY_MESSAGES = [
    {"type": "STATE"},
    {"type": "STATE", "state": "x"},
    {"type": "STATE", "state": {"sourceStats": {"recordCount": 7}}},
    {"type": "STATE", "state": {"type": "GLOBAL", "global": "x"}},
    {"type": "STATE", "state": {"type": "STREAM", "stream": "items"}},
    {"type": "STATE", "state": {"type": "STREAM", "stream": {"stream_state": {"n": 1}}}},
    {"type": "TRACE", "trace": "x"},
    {"type": "LOG", "log": "x"},
    {"type": "CONTROL"},
]
HALF_EMPTY_MESSAGES = [
    trace(type="STREAM_STATUS", stream_status="x"),
    trace(type="STREAM_STATUS", stream_status={"stream_descriptor": "items", "status": "COMPLETE"}),
    {"type": "LOG", "log": {}},
    {"type": "CONTROL", "control": {"type": "CONNECTOR_CONFIG", "connectorConfig": "x"}},
    {"type": "SPEC", "spec": "x"},
]


@pytest.mark.parametrize("odd", EMPTY_MESSAGES + HALF_EMPTY_MESSAGES, ids=json.dumps)
def test_a_message_that_says_nothing_is_passed_over(desk, odd, caplog):
    desk.play(*good(1), state({"next": 1}, count=1), status("COMPLETE"))
    before = desk.query("select stream, state, is_complete from landing.state")
    desk.play(odd, status("COMPLETE"))
    assert desk.query("select stream, state, is_complete from landing.state") == before
    if odd in EMPTY_MESSAGES:
        assert f"fake: an empty {odd['type']}: " in caplog.text


def test_a_count_that_is_no_number_is_no_count(desk):
    for text in (b"Infinity", b"NaN", b'"many"'):
        line = json.dumps(state({"next": 1}, count=77)).encode().replace(b"77.0", text)
        assert desk.play(*good(1), line, status("COMPLETE")).rows == 1


def test_an_error_that_is_a_text_is_its_own_word(desk):
    with pytest.raises(IncompleteLoad, match=r"items not complete \(exit code 0\): boom"):
        desk.play(trace(type="ERROR", error="boom"))


def test_an_error_of_a_connector_that_says_it_is_complete_is_a_warning(desk):
    result = desk.play(
        *good(1), trace(type="ERROR", error={"message": "half of it"}), status("COMPLETE")
    )
    assert result.warnings == ("the connector told of an error: half of it",)


def test_a_record_that_talks_of_states_is_a_record(desk):
    desk.play(
        record({"id": "a", "note": '"STATE"', "kind": "TRACE", "type": "STATE"}),
        state({"next": 1}, count=1),
        status("COMPLETE"),
    )
    assert desk.ids() == ["a"]


def test_global_state(desk):
    cursor = {
        "type": "GLOBAL",
        "global": {"shared_state": {"lsn": 7}, "stream_states": []},
        "sourceStats": {"recordCount": 3.0},
    }
    desk.play(
        *good(2),
        record({"id": "o"}, "others"),
        {"type": "STATE", "state": cursor},
        status("COMPLETE"),
        status("COMPLETE", "others"),
        streams=["items", "others"],
    )
    assert desk.query("select stream, state, is_complete from landing.state") == [
        ("*global*", json.dumps(cursor["global"]), True)
    ]


def test_full_refresh_serves_the_old_generation_until_the_new_is_complete(desk):
    full = {"modes": ["full_refresh"]}
    desk.play(*good(3), status("COMPLETE"), **full)
    assert desk.query("select generation, is_complete from landing.generations") == [(1, True)]
    with pytest.raises(IncompleteLoad):
        desk.play(*good(1), state({}), status("INCOMPLETE"), **full)
    served = "select count(*) from raw_fake.items where _generation = (select max(generation) from landing.generations where is_complete)"
    assert desk.query(served) == [(3,)]
    desk.play(*good(2), status("COMPLETE"), **full)
    assert desk.query(served) == [(2,)]
    assert desk.query("select count(*), count(distinct _generation) from raw_fake.items") == [
        (2, 1)
    ]


def test_an_interrupted_full_refresh_goes_on_in_its_generation(desk):
    desk.sync(count={"items": 20}, page=10)
    with pytest.raises(IncompleteLoad):
        desk.sync(count={"items": 40}, page=10, stop_after=15, full_refresh=True)
    desk.sync(count={"items": 40}, page=10)
    assert desk.ids() == [f"items_{n}" for n in range(40)]
    assert desk.query("select distinct _generation from raw_fake.items") == [(1,)]


def test_a_window_leaves_the_cursor_where_it_is(desk):
    from datetime import date

    desk.sync(count={"items": 20}, page=10)
    before = (
        desk.query("select * from landing.state"),
        desk.query("select * from landing.complete_through"),
    )
    desk.play(
        *good(2),
        state({"next": 1}),
        status("COMPLETE"),
        window=(date(2025, 1, 1), date(2025, 1, 2)),
    )
    assert (
        desk.query("select * from landing.state"),
        desk.query("select * from landing.complete_through"),
    ) == before
    assert desk.query(
        "select window_from::text, window_to::text from landing.loads where window_from is not null"
    ) == [("2025-01-01", "2025-01-02")]


def test_secrets_are_masked_and_leave_no_file(desk, caplog):
    from ingestion import runner
    from tests.ingestion.conftest import FAKE

    said = desk.folder / "messages.jsonl"
    said.write_text('{"type":"LOG","log":{"level":"WARN","message":"using canary-9f3 now"}}\n')
    config = {"play": str(said), "api_token": "canary-9f3", "exit": 1, "stderr": "boom canary-9f3"}
    with pytest.raises(IncompleteLoad) as error:
        runner.sync_exec(f"python {FAKE}", config, "fake", desk.settings)
    assert "canary" not in str(error.value)
    assert "canary" not in caplog.text
    assert "***" in caplog.text
    left = [
        path
        for path in desk.settings.home.rglob("*")
        if path.is_file() and b"canary" in path.read_bytes()
    ]
    assert left == []


def test_a_landing_file_of_an_older_version_gets_the_tables_that_it_lacks(desk):
    from ingestion.destination.opening import ensure
    from warehouse import duck

    path = ensure("usage", desk.settings)
    with duck.connect(path) as con:
        con.execute("drop table landing.tombstones")
    ensure("usage", desk.settings)
    assert desk.query("select count(*) from landing.tombstones", "usage") == [(0,)]
    with duck.connect(path) as con:
        con.execute("alter table landing.tombstones drop column removed_at")
        con.execute("insert into landing.tombstones values (1, 'api_calls', 'a.jsonl', '{}')")
    ensure("usage", desk.settings)
    assert desk.query("select load_id, removed_at from landing.tombstones", "usage") == [(1, None)]
