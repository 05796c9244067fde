"""The support desk: exports from where the last one ended, lists by what changed, and no silent end."""

from __future__ import annotations

import base64
import io
import json
import logging
import time

import pytest

from ingestion.sources.protocol import launch
from ingestion.sources.support import source as support
from tests.ingestion.sources.connectors import catalog_of, outcome_of, run
from tests.ingestion.sources.fake_zendesk import TOKEN, FakeZendesk

T = 1_740_000_000
STREAMS = (
    "tickets",
    "ticket_events",
    "ticket_comments",
    "users",
    "organizations",
    "satisfaction_ratings",
)


@pytest.fixture
def desk():
    with FakeZendesk() as fake:
        yield fake


@pytest.fixture
def sync(desk, tmp_path):
    def read(*streams, after=None, state=None, **config):
        desk.calls.clear()
        settings = {
            "base_url": desk.url,
            "token": TOKEN,
            "as_of": "2025-07-01T00:00:00Z",
            "backoff_seconds": 0.01,
            **config,
        }
        arguments = ["read"]
        given = {
            "config": settings,
            "catalog": catalog_of(*(streams or STREAMS)),
            "state": after.resume() if after else state,
        }
        for name, content in given.items():
            if content is not None:
                path = tmp_path / f"{name}.json"
                path.write_text(content if isinstance(content, str) else json.dumps(content))
                arguments += [f"--{name}", str(path)]
        out = io.BytesIO()
        code = launch(lambda: support.source_for(arguments), arguments, out)
        return outcome_of(code, out.getvalue().decode())

    return read


def given_a_desk(desk: FakeZendesk) -> None:
    for n in range(1, 6):
        desk.ticket(n, T + n)
        desk.event(n, T + n, "hello" if n % 2 else None)
    for n in range(1, 251):
        desk.record("users", n, T + n, name=f"user {n}")
    desk.record("organizations", 1, T, external_id="acc_1")


def test_everything_is_read_once_with_the_projects_now(desk, sync):
    given_a_desk(desk)
    found = sync()
    assert found.code == 0
    counts = {name: len(records) for name, records in found.records.items()}
    assert counts == {
        "tickets": 5,
        "ticket_events": 5,
        "ticket_comments": 3,
        "users": 250,
        "organizations": 1,
    }
    assert found.statuses["tickets"] == ["STARTED", "RUNNING", "COMPLETE"]
    assert found.statuses["satisfaction_ratings"] == ["STARTED", "COMPLETE"]
    assert {m["record"]["emitted_at"] for m in found.messages if m["type"] == "RECORD"} == {
        1_751_328_000_000
    }


def test_comments_come_from_the_events_with_their_ticket(desk, sync):
    desk.event(4, T, "please help")
    comment = sync("ticket_comments").records["ticket_comments"][0]
    assert comment["id"] == 41
    assert comment["ticket_id"] == 1
    assert comment["audit_id"] == 4
    assert comment["author_id"] == 7
    assert comment["public"] is True
    assert comment["created_at"] == "2025-02-19T21:20:00Z"


def test_only_what_changed_is_read_again(desk, sync):
    given_a_desk(desk)
    first = sync()
    desk.ticket(2, T + 100, "solved")
    desk.event(6, T + 100, "done")
    desk.record("users", 3, T + 1000, name="new name")
    second = sync(after=first)
    # the cursor's own second is read twice, so that no tie is lost
    assert second.ids("tickets") == [5, 2]
    assert second.ids("ticket_events") == [5, 6]
    assert sorted(second.ids("users")) == [3, 250]
    assert second.one("users", 3)["name"] == "new name"
    asked = next(query for path, query in desk.calls if "tickets/cursor" in path)
    assert asked["start_time"] == [str(T + 5)]


def test_ties_at_the_cursor_are_not_lost(desk, sync):
    desk.ticket(1, T)
    first = sync("tickets")
    desk.ticket(2, T)
    assert set(sync("tickets", after=first).ids("tickets")) == {1, 2}


def test_an_export_of_many_pages_is_read_whole(desk, sync):
    desk.page = 100
    for n in range(1, 451):
        desk.ticket(n, T + n // 3)
        desk.event(n, T + n)
    found = sync("tickets", "ticket_events")
    assert sorted(found.ids("tickets")) == list(range(1, 451))
    assert set(found.ids("ticket_events")) == set(range(1, 451))


def test_a_broken_export_goes_on_from_its_last_state(desk, sync, monkeypatch):
    monkeypatch.setattr(support, "RECORDS_PER_STATE", 100)
    desk.page = 100
    for n in range(1, 1001):
        desk.ticket(n, T + n)
    desk.faults.append(
        lambda path, query: (
            (400, {}, {"error": "x"}) if query.get("cursor") == [f"{T + 600}-600"] else None
        )
    )
    first = sync("tickets")
    assert first.code == 1
    assert first.states["tickets"][-1] == {"generated_timestamp": str(T + 600)}
    desk.faults.clear()
    second = sync("tickets", after=first)
    assert second.code == 0
    assert sorted(second.ids("tickets")) == list(range(600, 1001))


def test_half_an_emoji_is_handed_on_and_stops_nothing(desk, sync):
    """A name that was cut in the middle of a character: the destination sets it aside."""
    names = ["fine", "cut \ud83d", "fine \U0001f600"]
    for n, name in enumerate(names):
        desk.record("users", n, T + n, name=name)
    found = sync("users")
    assert found.code == 0
    assert [record["name"] for record in found.records["users"]] == names


def limited(count: int, headers: dict[str, str], path_part: str):
    left = [count]

    def fault(path, query):
        if path_part in path and left[0]:
            left[0] -= 1
            return 429, headers, {"error": "TooManyRequests"}
        return None

    return fault


def test_429_is_waited_out_with_and_without_retry_after(desk, sync):
    given_a_desk(desk)
    desk.faults.append(limited(1, {"Retry-After": "1"}, "tickets/cursor"))
    desk.faults.append(limited(1, {}, "organizations"))
    started = time.monotonic()
    found = sync("tickets", "organizations")
    assert found.code == 0
    assert len(found.ids("tickets")) == 5
    assert time.monotonic() - started >= 1


def test_429_on_a_stream_without_news_is_no_refusal_in_the_log(desk, sync):
    # the runner takes a 4xx in a log that names an empty stream for a swallowed refusal
    desk.faults.append(limited(1, {"Retry-After": "0"}, "satisfaction_ratings"))
    found = sync("satisfaction_ratings")
    assert found.code == 0
    assert found.statuses["satisfaction_ratings"] == ["STARTED", "COMPLETE"]
    assert not [line for line in found.logs if "429" in line and "satisfaction_ratings" in line]


@pytest.mark.parametrize("status", [500, 503])
def test_flapping_is_outlived(desk, sync, status):
    given_a_desk(desk)
    calls = []

    def flap(path, query):
        calls.append(path)
        return (status, {}, {"error": "x"}) if len(calls) % 2 else None

    desk.faults.append(flap)
    assert len(sync("tickets").ids("tickets")) == 5


@pytest.mark.parametrize(
    ("stream", "path", "body", "said"),
    [
        ("users", "users", {"users": []}, "'meta'"),
        ("users", "users", {"users": [], "meta": {}}, "'has_more'"),
        ("users", "users", {"users": [], "meta": {"has_more": True}}, "'after_cursor'"),
        ("users", "users", {"people": [], "meta": {"has_more": False}}, "'users'"),
        (
            "users",
            "users",
            {"users": [{"name": "x"}], "meta": {"has_more": False}},
            "without an id",
        ),
        ("tickets", "cursor", {"tickets": []}, "'end_of_stream'"),
        ("tickets", "cursor", {"tickets": [], "end_of_stream": False}, "'after_cursor'"),
        ("ticket_events", "ticket_events", {"ticket_events": []}, "'count'"),
        (
            "ticket_events",
            "ticket_events",
            {"ticket_events": [], "end_of_stream": False},
            "'end_time'",
        ),
        ("tickets", "cursor", b"not json at all", "not JSON"),
        ("tickets", "cursor", [], "no JSON object"),
    ],
)
def test_an_answer_that_lacks_something_is_an_error_and_not_the_end(
    desk, sync, stream, path, body, said
):
    given_a_desk(desk)
    desk.faults.append(lambda asked, query: (200, {}, body) if path in asked else None)
    found = sync(stream)
    assert found.code == 1
    assert said in found.error()
    assert found.statuses[stream][-1] == "INCOMPLETE"


def test_pages_that_go_in_circles_are_an_error(desk, sync):
    answer = {
        "users": [{"id": 1, "updated_at": "2025-01-01T00:00:00Z"}],
        "meta": {"has_more": True, "after_cursor": "x"},
    }
    desk.faults.append(lambda path, query: (200, {}, answer))
    assert "circles" in sync("users").error()


def test_html_with_status_200_is_an_error(desk, sync):
    desk.faults.append(lambda path, query: (200, {"Content-Type": "text/html"}, b"<html>"))
    found = sync("users", max_attempts=2)
    assert found.code == 1
    assert "web page" in found.error()


@pytest.mark.parametrize(
    ("status", "said"), [(401, "SUPPORT_TOKEN"), (403, "may not read"), (404, "SUPPORT_BASE_URL")]
)
def test_a_refusal_in_the_middle_is_one_config_error(desk, sync, status, said):
    given_a_desk(desk)
    desk.faults.append(
        lambda path, query: (status, {}, {"error": "x"}) if "page[after]" in query else None
    )
    found = sync("users")
    assert found.code == 1
    assert said in found.error()
    assert found.errors[0]["failure_type"] == "config_error"
    assert TOKEN not in json.dumps(found.messages)


def test_a_state_from_the_future_reads_all_again(desk, sync):
    given_a_desk(desk)
    state = [
        {
            "type": "STREAM",
            "stream": {
                "stream_descriptor": {"name": "tickets"},
                "stream_state": {"generated_timestamp": "4000000000"},
            },
        },
        {
            "type": "STREAM",
            "stream": {
                "stream_descriptor": {"name": "users"},
                "stream_state": {"updated_at": "2099-01-01T00:00:00Z"},
            },
        },
    ]
    found = sync("tickets", "users", state=state)
    assert len(found.ids("tickets")) == 5
    assert len(found.ids("users")) == 250


@pytest.mark.parametrize("bad", [{"generated_timestamp": "soon"}, {"other": 1}])
def test_a_corrupt_state_is_refused_by_name(desk, sync, bad):
    state = [
        {
            "type": "STREAM",
            "stream": {"stream_descriptor": {"name": "tickets"}, "stream_state": bad},
        }
    ]
    found = sync("tickets", state=state)
    assert found.code == 1
    assert "state of tickets" in found.error()


def test_a_window_reads_what_is_in_it_and_leaves_the_cursor(desk, sync):
    day = 86_400
    for n in range(1, 11):
        desk.ticket(n, T + n * day)
        desk.record("users", n, T + n * day)
    first = sync("tickets", "users")
    found = sync("tickets", "users", after=first, window_from="2025-02-22", window_to="2025-02-24")
    assert found.ids("tickets") == found.ids("users") == [3, 4] or found.ids("tickets") == [3, 4]
    assert found.states["tickets"][-1] == first.states["tickets"][-1]
    assert found.states["users"][-1] == first.states["users"][-1]


def test_a_window_of_a_list_has_all_that_were_created_in_it(desk, sync):
    """Lists are complete, so who was created in the window and is not there is deleted."""
    for n in range(1, 6):
        desk.record("users", n, T + n * 86_400)
        desk.record("organizations", n, T + n * 86_400)
        if n == 3:  # changed since
            for stream in ("users", "organizations"):
                desk.lists[stream][-1]["updated_at"] = "2025-06-01T00:00:00Z"
    del desk.lists["users"][3], desk.lists["organizations"][3]
    window = {"window_from": "2025-02-22", "window_to": "2025-02-24"}
    found = sync("users", "organizations", **window)
    assert found.ids("users") == found.ids("organizations") == [3]
    for stream in ("users", "organizations", "satisfaction_ratings"):
        schema = json.loads((support.FOLDER / "schemas" / f"{stream}.json").read_text())
        assert schema["x-window-field"] == "created_at"


def test_an_api_token_is_sent_as_zendesk_wants_it(desk, sync):
    sync("organizations", token="jane@example.com/token:abc")
    expected = base64.b64encode(b"jane@example.com/token:abc").decode()
    assert desk.authorizations == {f"Basic {expected}"}


@pytest.mark.parametrize(
    "base",
    ["https://acme.zendesk.com.evil.example", "http://acme.zendesk.com", "https://evil.example"],
)
def test_the_token_goes_to_zendesk_or_to_this_machine_only(desk, sync, base):
    found = sync("users", base_url=base)
    assert "not allowed" in found.error()


def test_the_connector_as_a_process(desk, tmp_path):
    given_a_desk(desk)
    config = {"base_url": desk.url, "token": TOKEN, "max_attempts": 1}
    read = run("support", "read", tmp_path, config, catalog_of("tickets"))
    assert (read.code, len(read.ids("tickets"))) == (0, 5)


def test_the_catalog(desk):
    config = {"base_url": desk.url, "token": TOKEN}
    found = support.SupportSource(config).discover(logging.getLogger(), config)
    streams = {stream.name: stream for stream in found.streams}
    assert set(streams) == set(STREAMS)
    assert streams["tickets"].source_defined_primary_key == [["id"]]
    assert all(len(stream.supported_sync_modes) == 2 for stream in streams.values())
    assert streams["tickets"].json_schema["properties"]["generated_timestamp"]["type"] == "integer"


@pytest.mark.parametrize(
    ("token", "status", "said"),
    [(TOKEN, "SUCCEEDED", "answers"), ("wrong", "FAILED", "SUPPORT_TOKEN")],
)
def test_check_says_what_it_found_in_one_line(desk, token, status, said):
    given_a_desk(desk)
    config = {"base_url": desk.url, "token": token, "max_attempts": 1}
    result = support.SupportSource(config).check(logging.getLogger(), config)
    assert result.status.value == status
    assert said in result.message
    assert "\n" not in result.message
