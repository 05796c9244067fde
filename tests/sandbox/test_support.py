"""The support desk over HTTP: Zendesk's shapes, paging, limits; its records fit together and fit the truth."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from sandbox.support_api import create_app

AUTH = {"Authorization": "Bearer sandbox"}


@pytest.fixture
def api(later) -> Iterator[TestClient]:
    with TestClient(create_app(later.sandbox_dir / "support.sqlite", limit_every=0)) as client:
        client.headers.update(AUTH)
        yield client


def tickets(api: TestClient, **query: object) -> list[dict]:
    found, url = [], "/api/v2/incremental/tickets/cursor.json"
    params: dict[str, object] = {"start_time": 0, "per_page": 7} | query
    while True:
        page = api.get(url, params=params).json()
        found += page["tickets"]
        if page["end_of_stream"]:
            return found
        params = {"cursor": page["after_cursor"], "per_page": 7}


def events(api: TestClient, start: int = 0, **query: object) -> dict[int, dict]:
    found: dict[int, dict] = {}
    while True:
        params = {"start_time": start, "per_page": 11} | query
        page = api.get("/api/v2/incremental/ticket_events.json", params=params).json()
        found |= {event["id"]: event for event in page["ticket_events"]}
        assert page["count"] == len(page["ticket_events"])
        if page["end_of_stream"]:
            return found
        assert f"start_time={page['end_time']}" in page["next_page"]
        start = page["end_time"]


def listed(api: TestClient, path: str, key: str, size: int = 9) -> list[dict]:
    found, params = [], {"page[size]": size}
    while True:
        page = api.get(path, params=params).json()
        assert len(page[key]) <= size
        found += page[key]
        if not page["meta"]["has_more"]:
            assert page["links"]["next"] is None
            return found
        assert page["links"]["next"].startswith("http://testserver/api/v2/")
        params = {"page[size]": size, "page[after]": page["meta"]["after_cursor"]}


# --- the way in ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "header",
    [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic !!"}, {"Authorization": "x"}],
)
def test_without_the_token_nobody_gets_in(api, header):
    api.headers.pop("Authorization")
    answer = api.get("/api/v2/users.json", headers=header)
    assert answer.status_code == 401
    assert answer.json() == {"error": "Couldn't authenticate you"}


def test_basic_authentication_with_a_token_works(api):
    word = base64.b64encode(b"someone@sandbox.example/token:sandbox").decode()
    answer = api.get("/api/v2/users.json", headers={"Authorization": f"Basic {word}"})
    assert answer.status_code == 200


def test_now_and_then_it_asks_to_wait(later):
    app = create_app(later.sandbox_dir / "support.sqlite", limit_every=3, retry_after=2)
    with TestClient(app, headers=AUTH) as client:
        answers = [client.get("/api/v2/users.json") for _ in range(7)]
    assert [answer.status_code for answer in answers] == [200, 200, 429, 200, 200, 429, 200]
    assert answers[2].headers["Retry-After"] == "2"
    assert answers[2].json()["error"] == "APIRateLimitExceeded"


def test_unknown_addresses_and_bad_questions_are_refused(api):
    assert api.get("/api/v2/nothing.json").json()["error"] == "InvalidEndpoint"
    assert api.get("/api/v2/tickets/999999/comments.json").status_code == 404
    for path in (
        "/api/v2/users.json?page[size]=101",
        "/api/v2/users.json?page[size]=some",
        "/api/v2/users.json?page[after]=%%%",
        "/api/v2/incremental/tickets/cursor.json",
        "/api/v2/incremental/tickets/cursor.json?cursor=nonsense",
        "/api/v2/incremental/ticket_events.json",
    ):
        answer = api.get(path)
        assert answer.status_code == 400, path
        assert answer.json()["error"] == "InvalidValue"


# --- paging -------------------------------------------------------------------------------------


def test_the_cursor_export_gives_every_ticket_once_in_order_of_change(api, later, read_truth):
    found = tickets(api)
    assert len(found) > 50
    assert sorted(t["id"] for t in found) == sorted(
        int(row["ticket_id"]) for row in read_truth(later, "tickets")
    )
    stamps = [ticket["generated_timestamp"] for ticket in found]
    assert stamps == sorted(stamps)


def test_a_cursor_at_the_end_gives_what_changes_later(company, later):
    with TestClient(
        create_app(company.sandbox_dir / "support.sqlite", limit_every=0), headers=AUTH
    ) as before:
        page = before.get("/api/v2/incremental/tickets/cursor.json?start_time=0").json()
        assert page["end_of_stream"]
        same = before.get(
            "/api/v2/incremental/tickets/cursor.json", params={"cursor": page["after_cursor"]}
        ).json()
        assert same["tickets"] == []
        assert same["after_cursor"] == page["after_cursor"]
        old = {ticket["id"]: ticket for ticket in page["tickets"]}
    with TestClient(
        create_app(later.sandbox_dir / "support.sqlite", limit_every=0), headers=AUTH
    ) as after:
        new = after.get(
            "/api/v2/incremental/tickets/cursor.json", params={"cursor": page["after_cursor"]}
        ).json()["tickets"]
        everything = {ticket["id"]: ticket for ticket in tickets(after)}
    assert old | {ticket["id"]: ticket for ticket in new} == everything
    assert 0 < len(new) < len(everything)


def test_lists_are_paged_without_gaps(api):
    users = listed(api, "/api/v2/users.json", "users")
    assert len({user["id"] for user in users}) == len(users) > 60
    organizations = listed(api, "/api/v2/organizations.json", "organizations")
    assert len({o["external_id"] for o in organizations}) == len(organizations) > 50
    assert listed(api, "/api/v2/users", "users", size=100) == users


def test_ratings_can_be_asked_for_from_an_instant_on(api):
    everything = listed(api, "/api/v2/satisfaction_ratings.json", "satisfaction_ratings")
    assert {rating["score"] for rating in everything} == {"good", "bad"}
    page = api.get("/api/v2/satisfaction_ratings.json?start_time=1714521600").json()
    assert {r["id"] for r in page["satisfaction_ratings"]} == {
        r["id"] for r in everything if r["created_at"] >= "2024-05-01"
    }


# --- what it says -------------------------------------------------------------------------------


def test_events_tell_how_each_ticket_came_to_its_state(api):
    status: dict[int, str] = {}
    rated: dict[int, str] = {}
    history = sorted(events(api).values(), key=lambda event: (event["timestamp"], event["id"]))
    for event in history:
        for child in event["child_events"]:
            if "status" in child:
                assert child.get("previous_value") == status.get(event["ticket_id"])
                status[event["ticket_id"]] = child["status"]
            if "satisfaction_score" in child:
                rated[event["ticket_id"]] = child["satisfaction_score"]
    found = tickets(api)
    assert status == {ticket["id"]: ticket["status"] for ticket in found}
    assert {t["id"]: t["satisfaction_rating"]["score"] for t in found if t["id"] in rated} == rated
    assert {"pending", "solved", "closed"} <= set(status.values())


def test_comments_are_the_same_by_ticket_and_by_export(api):
    exported = {
        (event["ticket_id"], child["id"]): (child["body"], child["public"], child["author_id"])
        for event in events(api, include="comment_events").values()
        for child in event["child_events"]
        if child["event_type"] == "Comment"
    }
    by_ticket = {
        (ticket["id"], comment["id"]): (comment["body"], comment["public"], comment["author_id"])
        for ticket in tickets(api)
        for comment in listed(api, f"/api/v2/tickets/{ticket['id']}/comments.json", "comments")
    }
    assert exported == by_ticket
    assert {public for _, public, _ in by_ticket.values()} == {True, False}


def test_comment_texts_come_only_when_asked_for(api):
    plain = [
        child
        for event in events(api).values()
        for child in event["child_events"]
        if child["event_type"] == "Comment"
    ]
    assert plain
    assert all("body" not in child for child in plain)


def test_the_truth_says_what_the_events_say(api, later, read_truth):
    organizations = {
        o["id"]: o["external_id"] for o in listed(api, "/api/v2/organizations", "organizations")
    }
    solved: dict[int, str | None] = {}
    for event in sorted(events(api).values(), key=lambda e: (e["timestamp"], e["id"])):
        for child in event["child_events"]:
            if child.get("status") == "solved":
                solved[event["ticket_id"]] = event["created_at"]
            elif child.get("status") == "open":
                solved[event["ticket_id"]] = None
    expected = {
        (str(t["id"]), organizations[t["organization_id"]], t["created_at"],
         solved.get(t["id"]) or "", t["status"])
        for t in tickets(api)
    }  # fmt: skip
    assert {tuple(row.values()) for row in read_truth(later, "tickets")} == expected


def test_requesters_are_people_of_the_organisation(api):
    users = {user["id"]: user for user in listed(api, "/api/v2/users.json", "users")}
    for ticket in tickets(api):
        requester = users[ticket["requester_id"]]
        assert requester["organization_id"] == ticket["organization_id"]
        assert requester["role"] == "end-user"
        if ticket["assignee_id"] is not None:
            assert users[ticket["assignee_id"]]["role"] == "agent"
    assert Counter(user["role"] for user in users.values())["agent"] == 5


def test_some_tickets_are_opened_again():
    from sandbox.company import CompanyOptions
    from sandbox.simulation import population

    lives, _ = population(
        CompanyOptions(customers=100, months=6), CompanyOptions(months=6).base_end
    )
    all_tickets = [ticket for life in lives for ticket in life.tickets]
    again = sum(len(ticket.solves) > 1 for ticket in all_tickets)
    assert 0.03 < again / len(all_tickets) < 0.15
    for ticket in all_tickets:
        times = [at for pair in ticket.solves for at in pair if at is not None]
        assert times == sorted(times)
        assert (
            ticket.first_reply_at is None or ticket.created_at < ticket.first_reply_at <= times[0]
        )
