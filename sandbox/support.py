"""The support desk's records, in Zendesk's shapes.

Writes: `support.sqlite` (read by `sandbox.support_api`) and, through `sandbox.world`,
`truth/tickets.csv`.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import orjson

from sandbox.company import ENDPOINTS
from sandbox.lifecycle import Life
from sandbox.staff import AGENTS, organization_number, users
from sandbox.tickets import SUBJECTS, Ticket

FIRST_TICKET = 1001
_BRAND, _GROUP = 7001, 8001
_TABLES = ("tickets", "ticket_events", "comments", "users", "organizations", "satisfaction_ratings")


@dataclass
class SupportDesk:
    """All that the support desk holds at an instant.

    Attributes:
        rows: Per table: (id, ticket id or 0, Unix seconds of its version, object).
        truth: (ticket, customer, created, solved, status).
    """

    rows: dict[str, list[tuple[int, int, int, dict[str, Any]]]] = field(
        default_factory=lambda: {table: [] for table in _TABLES}
    )
    truth: list[tuple[int, str, datetime, datetime | None, str]] = field(default_factory=list)

    def write(self, path: Path) -> None:
        """Write the store (a new file)."""
        connection = sqlite3.connect(path)
        try:
            connection.execute("pragma journal_mode = off")
            connection.execute("pragma synchronous = off")
            for table in _TABLES:
                connection.execute(
                    f"create table {table} "
                    "(id integer primary key, ticket_id integer, at integer, json text) strict"
                )
                connection.executemany(
                    f"insert into {table} values (?, ?, ?, ?)",
                    [
                        (key, ticket, at, orjson.dumps(item).decode())
                        for key, ticket, at, item in sorted(
                            self.rows[table], key=lambda row: row[0]
                        )
                    ],
                )
                connection.execute(f"create index {table}_at on {table} (at, id)")
                connection.execute(f"create index {table}_ticket on {table} (ticket_id)")
            connection.commit()
        finally:
            connection.close()


def _iso(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def _unix(at: datetime) -> int:
    return int(at.timestamp())


def support_desk(lives: list[Life], now: datetime) -> SupportDesk:
    """The support desk just before `now`.

    Args:
        lives: All customers.
        now: Nothing at or after this instant has happened.
    """
    desk = SupportDesk()
    for number, name in AGENTS:
        desk.rows["users"].append((number, 0, 1_672_531_200, _agent(number, name)))
    known = {life.account.account_id: life for life in lives}
    for life in lives:
        _customer(desk, life, now)
    tickets = sorted(
        (ticket for life in lives for ticket in life.tickets if ticket.created_at < now),
        key=lambda ticket: (ticket.created_at, ticket.account_id),
    )
    for number, ticket in enumerate(tickets, FIRST_TICKET):
        _Case(desk, number, ticket, known[ticket.account_id], now).record()
    return desk


def _agent(number: int, name: str) -> dict[str, Any]:
    created = "2023-01-01T00:00:00Z"
    return {
        "id": number,
        "url": f"https://sandbox.zendesk.example/api/v2/users/{number}.json",
        "name": name,
        "email": f"{name.split(maxsplit=1)[0].lower()}@sandbox.example",
        "role": "agent",
        "active": True,
        "suspended": False,
        "organization_id": None,
        "external_id": None,
        "time_zone": "Etc/UTC",
        "created_at": created,
        "updated_at": created,
    }


def _customer(desk: SupportDesk, life: Life, now: datetime) -> None:
    account = life.account
    created = life.created_at or account.signup_at
    if created >= now or not account.in_product:
        return
    organization = organization_number(account.account_id)
    changes = [at for at, _, _ in life.tier_changes if created < at < now]
    updated = max([created, *changes])
    desk.rows["organizations"].append(
        (
            organization,
            0,
            _unix(updated),
            {
                "id": organization,
                "url": f"https://sandbox.zendesk.example/api/v2/organizations/{organization}.json",
                "name": account.name,
                "external_id": account.account_id,
                "domain_names": [account.email.partition("@")[2]],
                "group_id": None,
                "shared_tickets": False,
                "shared_comments": False,
                "tags": [life.tier_at(now).lower()],
                "organization_fields": {"plan": life.tier_at(now), "industry": account.industry},
                "details": None,
                "notes": None,
                "created_at": _iso(created),
                "updated_at": _iso(updated),
                "deleted_at": None,
            },
        )
    )
    for user in users(life):
        if user.created_at < now:
            desk.rows["users"].append(
                (
                    user.support_id,
                    0,
                    _unix(user.created_at),
                    {
                        "id": user.support_id,
                        "url": f"https://sandbox.zendesk.example/api/v2/users/{user.support_id}.json",
                        "name": user.name,
                        "email": user.email,
                        "role": "end-user",
                        "active": True,
                        "suspended": False,
                        "organization_id": organization,
                        "external_id": user.user_id,
                        "time_zone": "Etc/UTC",
                        "created_at": _iso(user.created_at),
                        "updated_at": _iso(user.created_at),
                    },
                )
            )


class _Case:
    """Writes down one ticket: its events and comments in order, then the ticket as they left it."""

    def __init__(
        self, desk: SupportDesk, number: int, ticket: Ticket, life: Life, now: datetime
    ) -> None:
        self.desk, self.number, self.ticket, self.now = desk, number, ticket, now
        people = [user for user in users(life) if user.created_at <= ticket.created_at] or users(
            life
        )[:1]
        self.requester = people[ticket.salt % len(people)].support_id
        self.organization = organization_number(life.account.account_id)
        self.agent = AGENTS[ticket.salt % len(AGENTS)][0]
        self.status = "new"
        self.updated = ticket.created_at
        self.steps = 0
        self.score = "unoffered"

    def record(self) -> None:
        ticket = self.ticket
        subject = SUBJECTS[ticket.subject]
        endpoint = ENDPOINTS[ticket.salt % 4]
        text = subject[2]
        created = [
            {"event_type": "Create", "status": "new"},
            {"event_type": "Create", "priority": ticket.priority},
        ]
        self._event(ticket.created_at, self.requester, created, text, public=True)
        later: list[tuple[datetime, str]] = []
        if ticket.first_reply_at is not None:
            later.append((ticket.first_reply_at, "reply"))
        if ticket.note_at is not None:
            later.append((ticket.note_at, "note"))
        for solved, again in ticket.solves:
            later.append((solved, "solve"))
            if again is not None:
                later.append((again, "reopen"))
        last = ticket.solves[-1][0]
        if ticket.rating is not None:
            later.append((last + timedelta(hours=5, seconds=ticket.salt % 9000), "rate"))
        later.append((last + timedelta(days=28), "close"))
        order = {"reply": 0, "note": 1, "solve": 2, "reopen": 3, "rate": 4, "close": 5}
        for at, step in sorted(later, key=lambda item: (item[0], order[item[1]])):
            if at < self.now:
                getattr(self, f"_{step}")(at)
        subject_text = subject[1].format(endpoint=endpoint)
        self.desk.rows["tickets"].append(
            (
                self.number,
                self.number,
                _unix(self.updated),
                {
                    "id": self.number,
                    "url": f"https://sandbox.zendesk.example/api/v2/tickets/{self.number}.json",
                    "external_id": None,
                    "via": {"channel": "web", "source": {"from": {}, "to": {}, "rel": None}},
                    "type": "question" if ticket.subject in {3, 4, 5} else "problem",
                    "subject": subject_text,
                    "raw_subject": subject_text,
                    "description": text,
                    "priority": ticket.priority,
                    "status": self.status,
                    "recipient": None,
                    "requester_id": self.requester,
                    "submitter_id": self.requester,
                    "assignee_id": self.agent if self.steps > 1 else None,
                    "organization_id": self.organization,
                    "group_id": _GROUP,
                    "brand_id": _BRAND,
                    "tags": [subject[0]],
                    "custom_fields": [],
                    "satisfaction_rating": {"score": self.score},
                    "is_public": True,
                    "has_incidents": False,
                    "created_at": _iso(ticket.created_at),
                    "updated_at": _iso(self.updated),
                    "generated_timestamp": _unix(self.updated),
                },
            )
        )
        self.desk.truth.append(
            (
                self.number,
                ticket.account_id,
                ticket.created_at,
                ticket.solved_at(self.now),
                self.status,
            )
        )

    # --- steps ------------------------------------------------------------------------------------

    def _reply(self, at: datetime) -> None:
        text = "Thanks for writing. We are looking into it, and need one more detail from you."
        self._event(at, self.agent, [self._change("pending")], text, public=True)

    def _note(self, at: datetime) -> None:
        self._event(
            at, self.agent, [], "Escalated to engineering; see the incident channel.", public=False
        )

    def _solve(self, at: datetime) -> None:
        text = (
            None
            if self.ticket.first_reply_at is None
            else "This should be solved now. Tell us if it isn't."
        )
        self._event(at, self.agent, [self._change("solved")], text, public=True)

    def _reopen(self, at: datetime) -> None:
        self._event(at, self.requester, [self._change("open")], "It happens again.", public=True)

    def _close(self, at: datetime) -> None:
        self._event(at, -1, [self._change("closed")], None, public=True)

    def _rate(self, at: datetime) -> None:
        rating = self.ticket.rating
        change = {
            "event_type": "Change",
            "satisfaction_score": rating,
            "previous_value": self.score,
        }
        self.score = rating
        self._event(at, self.requester, [change], None, public=True)
        number = self.number * 10 + 1
        self.desk.rows["satisfaction_ratings"].append(
            (
                number,
                self.number,
                _unix(at),
                {
                    "id": number,
                    "url": f"https://sandbox.zendesk.example/api/v2/satisfaction_ratings/{number}.json",
                    "assignee_id": self.agent,
                    "group_id": _GROUP,
                    "requester_id": self.requester,
                    "ticket_id": self.number,
                    "score": rating,
                    "comment": None if self.ticket.salt % 3 else f"It was {rating}.",
                    "reason": "No reason provided",
                    "created_at": _iso(at),
                    "updated_at": _iso(at),
                },
            )
        )

    def _change(self, status: str) -> dict[str, Any]:
        change = {"event_type": "Change", "status": status, "previous_value": self.status}
        self.status = status
        return change

    def _event(
        self,
        at: datetime,
        actor: int,
        changes: list[dict[str, Any]],
        comment: str | None,
        *,
        public: bool,
    ) -> None:
        number = self.number * 100 + self.steps
        self.steps += 1
        self.updated = max(self.updated, at)
        children: list[dict[str, Any]] = [
            {"id": number * 10 + n, "via": "Web form", "via_reference_id": None, **change}
            for n, change in enumerate(changes)
        ]
        if comment is not None:
            key = number * 10 + 9
            children.append(
                {
                    "id": key,
                    "via": "Web form",
                    "via_reference_id": None,
                    "event_type": "Comment",
                    "type": "Comment",
                    "comment_present": True,
                    "comment_public": public,
                    "author_id": actor,
                    "body": comment,
                    "public": public,
                }
            )
            self.desk.rows["comments"].append(
                (
                    key,
                    self.number,
                    _unix(at),
                    {
                        "id": key,
                        "type": "Comment",
                        "author_id": actor,
                        "body": comment,
                        "html_body": f'<div class="zd-comment"><p>{comment}</p></div>',
                        "plain_body": comment,
                        "public": public,
                        "attachments": [],
                        "audit_id": number,
                        "via": {"channel": "web", "source": {"from": {}, "to": {}, "rel": None}},
                        "created_at": _iso(at),
                        "metadata": {"system": {}, "custom": {}},
                    },
                )
            )
        self.desk.rows["ticket_events"].append(
            (
                number,
                self.number,
                _unix(at),
                {
                    "id": number,
                    "ticket_id": self.number,
                    "timestamp": _unix(at),
                    "created_at": _iso(at),
                    "updater_id": actor,
                    "via": "Web form",
                    "event_type": "Audit",
                    "merged_ticket_ids": [],
                    "metadata": {},
                    "system": {},
                    "child_events": children,
                },
            )
        )
