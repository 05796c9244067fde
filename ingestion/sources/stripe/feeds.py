"""Stripe's streams: lists at first, then what the events name.

Four kinds of feed share one event log per sync:

- `ObjectFeed`: a first sync lists everything; later syncs re-fetch the objects that new events name.
- `PayoutTransactionFeed`: the same for payouts, of which it says what they paid out.
- `CreatedFeed`: balance transactions, which have no events: windows by `created`.
- `EventFeed`: the events themselves.

A state is either `{"cursor", "seen", "checked_at"}` (caught up to `cursor`; `seen` are the events of the
last seconds before it) or has `"list"` (a listing under way, done down to `through`).

Reads: the Stripe API.
Writes: nothing.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from airbyte_cdk.models import AirbyteStream, SyncMode

from ingestion.sources.protocol import Checkpoint, Span, config_error
from ingestion.sources.stripe.api import NotFound, StripeApi
from ingestion.sources.stripe.resources import (
    REFUNDS_OF_CHARGE,
    Nested,
    Resource,
    is_relevant,
    named_objects,
    second_of,
)

logger = logging.getLogger("airbyte.stripe")

#: Events are ordered by second only and may show up a little late: so much is read twice, and what was
#: seen is remembered by id.
OVERLAP_SECONDS = 120

#: Stripe keeps events for 30 days; a day is left for the sync itself.
EVENTS_REACH_BACK = timedelta(days=29)

PAGES_PER_CHECKPOINT = 20
OBJECTS_PER_CHECKPOINT = 200

#: From so many new objects on, one list is cheaper than one request each.
LIST_FROM_NEW_OBJECTS = 3

#: Events kept whole in memory, to land them without a second listing.
EVENTS_IN_MEMORY = 5_000

Item = dict[str, Any] | Checkpoint


@dataclass(frozen=True)
class EventNote:
    """What is remembered of an event: enough to know which objects to fetch."""

    id: str
    created: int
    type: str
    names: tuple[tuple[str, str], ...]


@dataclass
class EventLog:
    """The events of one sync, read once for all streams.

    `anchor` is taken before anything else is read: what happens later is the next sync's.
    """

    api: StripeApi
    span: Span
    _anchor: int | None = None
    _recent: list[EventNote] = field(default_factory=list)
    _notes: dict[str, EventNote] = field(default_factory=dict)
    _since: int | None = None
    _raw: dict[str, dict[str, Any]] | None = field(default_factory=dict)

    def anchor(self) -> int:
        """The newest event's second, by Stripe's own clock; a day ago if there are no events."""
        if self._anchor is None:
            for page in self.api.pages("/v1/events", {}):
                if self._anchor is None:
                    self._anchor = second_of(page[0])
                self._recent.extend(map(_note, page))
                if second_of(page[-1]) < self._anchor - OVERLAP_SECONDS:
                    break
            if self._anchor is None:
                self._anchor = int((self.span.now - timedelta(days=1)).timestamp())
            floor = self._anchor - OVERLAP_SECONDS
            self._recent = [note for note in self._recent if note.created >= floor]
        return self._anchor

    def has_events(self) -> bool:
        """Whether the API has any event at all."""
        self.anchor()
        return bool(self._recent)

    def recent(self) -> list[EventNote]:
        """The events of the last seconds before the anchor."""
        self.anchor()
        return self._recent

    def since(self, second: int) -> list[EventNote]:
        """Notes of the relevant events from a second on, up to the anchor."""
        anchor = self.anchor()
        if self._since is None or second < self._since:
            until = anchor if self._since is None else self._since
            for page in self.api.pages("/v1/events", {}, since=second, until=until):
                for event in page:
                    if not is_relevant(event.get("type", "")):
                        continue
                    note = _note(event)
                    self._notes[note.id] = note
                    if self._raw is not None:
                        self._raw[note.id] = event
                if self._raw is not None and len(self._raw) > EVENTS_IN_MEMORY:
                    self._raw = None
            self._since = second
        return [note for note in self._notes.values() if note.created >= second]

    def whole(self, second: int) -> list[dict[str, Any]] | None:
        """The events themselves from a second on, if they are all in memory."""
        if self._raw is None or self._since is None or self._since > second:
            return None
        return [event for event in self._raw.values() if second_of(event) >= second]


def _note(event: Mapping[str, Any]) -> EventNote:
    names = tuple(dict.fromkeys(named_objects(event)))
    return EventNote(str(event["id"]), second_of(event), str(event.get("type", "")), names)


@dataclass
class StripeFeed:
    """What all of Stripe's feeds share.

    Attributes:
        name: of the stream.
        api: the account.
        log: the sync's events.
        span: start, window and now.
        schemas: folder of JSON schemas.
    """

    name: str
    api: StripeApi
    log: EventLog
    span: Span
    schemas: Path

    def describe(self) -> AirbyteStream:
        """The catalog entry: incremental by a cursor of our own, keyed by id."""
        schema = json.loads((self.schemas / f"{self.name}.json").read_text(encoding="utf-8"))
        return AirbyteStream(
            name=self.name,
            json_schema=schema,
            supported_sync_modes=[SyncMode.full_refresh, SyncMode.incremental],
            source_defined_cursor=True,
            default_cursor_field=["created"],
            source_defined_primary_key=[["id"]],
            is_resumable=True,
        )

    def read(self, state: dict[str, Any] | None) -> Iterator[Item]:
        """Records and checkpoints from a state on."""
        checked_state(self.name, state)
        if self.span.is_window:
            yield from self._window()
            yield Checkpoint(state or {})
            return
        yield from self._sync(state)

    def _window(self) -> Iterator[Item]:
        raise NotImplementedError

    def _sync(self, state: dict[str, Any] | None) -> Iterator[Item]:
        raise NotImplementedError

    @property
    def _now(self) -> str:
        return self.span.now.isoformat()

    def _is_stale(self, since: str) -> bool:
        """Whether events may have gone missing since an instant."""
        return self.span.now - datetime.fromisoformat(since) > EVENTS_REACH_BACK

    @property
    def _start(self) -> int | None:
        return int(self.span.start.timestamp()) if self.span.start else None

    def _window_seconds(self) -> tuple[int | None, int | None]:
        start, end = self.span.window_from, self.span.window_to
        return (
            int(start.timestamp()) if start else None,
            int(end.timestamp()) - 1 if end else None,  # the window's end is exclusive
        )


@dataclass
class ObjectFeed(StripeFeed):
    """Objects that events speak of."""

    resource: Resource = field(kw_only=True)
    pages_per_checkpoint: int = PAGES_PER_CHECKPOINT

    def _records(self, thing: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """What is sent of an object that was listed or fetched: the object, whole."""
        yield thing if thing.get("deleted") is True else self._completed(thing)

    def _window(self) -> Iterator[Item]:
        since, until = self._window_seconds()
        sent = set()
        for params in self.resource.lists:
            for page in self.api.pages(self.resource.path, params, since=since, until=until):
                for thing in page:
                    sent.add(thing["id"])
                    yield from self._records(thing)
        notes = self.log.since(since or 0)
        wanted = self._wanted([note for note in notes if until is None or note.created <= until])
        for identity in wanted:
            if identity not in sent:
                yield from self._records(self._fetch(identity))

    def _sync(self, state: dict[str, Any] | None) -> Iterator[Item]:
        if state and "list" not in state and self._must_list_again(state):
            state = None
        if state and "list" in state and self._is_stale(state["list"]["started_at"]):
            state = None
        if state is None or "list" in state:
            resumed = bool(state)
            state = yield from self._list(state["list"] if state else None)
            if not resumed:
                return
        yield from self._by_events(state)

    def _must_list_again(self, state: Mapping[str, Any]) -> bool:
        if self._is_stale(state["checked_at"]):
            logger.warning(
                "%s: last in step at %s, and Stripe keeps events for 30 days: listing again",
                self.name,
                state["checked_at"],
            )
            return True
        if self.log.has_events() and state["cursor"] > self.log.anchor():
            logger.warning(
                "%s: the cursor %s lies after Stripe's newest event: listing again",
                self.name,
                state["cursor"],
            )
            return True
        return False

    def _list(self, progress: Mapping[str, Any] | None) -> Iterator[Item]:
        """List everything, newest first; returns the state of being caught up to the anchor."""
        if progress is None:
            done = self._caught_up(self.log.recent())
            started, through, first = self._now, None, 0
        else:
            done, started = progress["then"], progress["started_at"]
            through, first = progress["through"], progress.get("part", 0)
        since = self._start if self.resource.dated else None
        for part, params in list(enumerate(self.resource.lists))[first:]:
            pages = self.api.pages(self.resource.path, params, since=since, until=through)
            for number, page in enumerate(pages, start=1):
                for thing in page:
                    yield from self._records(thing)
                through = min(map(second_of, page))
                if number % self.pages_per_checkpoint == 0:
                    logger.info("%s: %d listed", self.name, number * len(page))
                    listing = {"through": through, "started_at": started, "then": done}
                    yield Checkpoint({"list": {**listing, "part": part}})
            through = None
        yield from self._gone()
        yield Checkpoint(done)
        return done

    def _gone(self) -> Iterator[Item]:
        """Stubs of what was deleted before it could be listed, as far back as events reach."""
        if not self.resource.deleted_type:
            return
        gone: dict[str, None] = {}
        for page in self.api.pages("/v1/events", {"type": self.resource.deleted_type}):
            gone.update(dict.fromkeys(i for event in page for i in self._names(_note(event))))
        for identity in gone:
            # An id may be in use again: then the list has it.
            thing = self._fetch(identity)
            if thing.get("deleted"):
                yield from self._records(thing)

    def _caught_up(self, notes: list[EventNote]) -> dict[str, Any]:
        anchor = self.log.anchor()
        floor = anchor - OVERLAP_SECONDS
        seen = sorted(n.id for n in notes if n.created >= floor and self._names(n))
        return {"cursor": anchor, "seen": seen, "checked_at": self._now}

    def _names(self, note: EventNote) -> list[str]:
        return [identity for stream, identity in note.names if stream == self.resource.stream]

    def _by_events(self, state: Mapping[str, Any]) -> Iterator[Item]:
        notes = self.log.since(state["cursor"] - OVERLAP_SECONDS)
        seen = set(state["seen"])
        new = [note for note in notes if note.id not in seen]
        wanted = self._wanted(new)
        sent: set[str] = set()
        since = self._list_from(new, state["cursor"])
        if since is not None:
            params = self.resource.lists[0]
            for page in self.api.pages(self.resource.path, params, since=since):
                for thing in page:
                    # The overlap's objects came with the last sync, unless an event names them again.
                    if thing["id"] in wanted or second_of(thing) > state["cursor"]:
                        sent.add(thing["id"])
                        yield from self._records(thing)
        fetched = 0
        # In the order of each object's last event, so that a checkpoint on the way means something.
        for identity, last in sorted(wanted.items(), key=lambda item: (item[1], item[0])):
            if identity in sent:
                continue
            yield from self._records(self._fetch(identity))
            fetched += 1
            if fetched % OBJECTS_PER_CHECKPOINT == 0:
                yield Checkpoint({"cursor": last, "seen": [], "checked_at": state["checked_at"]})
        if self.name == "refunds":
            yield from self._refunds_of_charges(new, sent | set(wanted))
        yield Checkpoint(self._caught_up(notes))

    def _wanted(self, notes: list[EventNote]) -> dict[str, int]:
        wanted: dict[str, int] = {}
        for note in notes:
            for identity in self._names(note):
                wanted[identity] = max(note.created, wanted.get(identity, 0))
        return wanted

    def _list_from(self, new: list[EventNote], cursor: int) -> int | None:
        """The second to list new objects from; None if asking for each is cheaper."""
        created = [note.created for note in new if note.type == self.resource.created_type]
        if self.resource.lists_new:
            created.append(cursor)
        elif len(created) < LIST_FROM_NEW_OBJECTS:
            return None
        return min(created) - OVERLAP_SECONDS

    def _fetch(self, identity: str) -> dict[str, Any]:
        try:
            thing = self.api.get(f"{self.resource.path}/{identity}", self.resource.one_params)
        except NotFound:
            return {"id": identity, "object": self.resource.object, "deleted": True}
        if thing.get("deleted") is True:
            return {"id": identity, "object": self.resource.object, "deleted": True}
        return thing

    def _refunds_of_charges(self, new: list[EventNote], have: set[str]) -> Iterator[Item]:
        """Refunds that only their charge's event speaks of, as older API versions have it."""
        told = {
            i for n in new if n.type.startswith("refund.") for s, i in n.names if s == "charges"
        }
        charges = {i for n in new for s, i in n.names if s == REFUNDS_OF_CHARGE} - told
        for charge in sorted(charges):
            for refund in self.api.complete(self.resource.path, {"charge": charge}):
                if refund["id"] not in have:
                    yield refund

    def _completed(self, thing: dict[str, Any]) -> dict[str, Any]:
        for nested in self.resource.nested:
            inner = thing.get(nested.name)
            if isinstance(inner, dict) and inner.get("has_more"):
                inner["data"] = self._whole_list(nested, thing["id"])
                inner["has_more"] = False
        return thing

    def _whole_list(self, nested: Nested, identity: str) -> list[dict[str, Any]]:
        params: dict[str, Any] = {k: v.format(id=identity) for k, v in nested.params}
        if nested.expand:
            params["expand"] = [f"data.{path}" for path in nested.expand]
        return self.api.complete(nested.path.format(id=identity), params)


@dataclass
class PayoutTransactionFeed(ObjectFeed):
    """Which balance transactions each automatic payout paid out, itself included.

    Stripe knows it once the payout's `reconciliation_status` is `completed`, and says so by event;
    of a payout that was requested by hand it never knows. What a payout paid out does not change
    afterwards: reading one again sends the same rows.
    """

    def _records(self, thing: dict[str, Any]) -> Iterator[dict[str, Any]]:
        is_known = thing.get("automatic") and thing.get("reconciliation_status") == "completed"
        if not is_known:
            return
        for page in self.api.pages("/v1/balance_transactions", {"payout": thing["id"]}):
            for transaction in page:
                yield {
                    "id": f"{thing['id']}/{transaction['id']}",
                    "object": "payout_transaction",
                    "payout": thing["id"],
                    "balance_transaction": transaction["id"],
                    "created": thing["created"],
                    "livemode": thing.get("livemode"),
                    # What it adds to the payout, also where the transaction is older than `start_date`.
                    "currency": transaction.get("currency"),
                    "net": transaction.get("net"),
                    "type": transaction.get("type"),
                }


@dataclass
class _Sweep:
    """One pass over balance transactions, newest first, down to where the last one had got.

    Attributes:
        before: the state of the last whole pass.
        newest: newest `created` of this pass.
        pending_from: oldest `created` of those that are pending.
        seen: ids of the newest seconds, with their `created`.
        through: how far down this pass is done.
    """

    before: dict[str, Any] | None
    newest: int | None = None
    pending_from: int | None = None
    seen: dict[str, int] = field(default_factory=dict)
    through: int | None = None

    @classmethod
    def of(cls, state: Mapping[str, Any] | None) -> _Sweep:
        """A new pass, or the one that was broken off."""
        if state and "list" in state:
            return cls(**state["list"])
        return cls(before=dict(state) if state else None)

    def take(self, row: Mapping[str, Any]) -> bool:
        """Note a row; whether it says anything new."""
        created = second_of(row)
        if self.newest is None:
            self.newest = created
        if created >= self.newest - OVERLAP_SECONDS:
            self.seen[row["id"]] = created
        if row.get("status") == "pending":
            self.pending_from = min(created, self.pending_from or created)
        return self.before is None or _is_news(row, self.before)

    def since(self, start: int | None) -> int | None:
        """The oldest second that may hold news."""
        if not self.before:
            return start
        reach = self.before["cursor"] - OVERLAP_SECONDS
        pending = self.before["pending_from"]
        return reach if pending is None else min(reach, pending)

    def on_the_way(self) -> Checkpoint:
        """A state to go on from in the middle of the pass."""
        return Checkpoint({"list": {**vars(self), "seen": dict(self.seen)}})

    def done(self, now: str) -> Checkpoint:
        """The state after the pass; unchanged if there was nothing at all."""
        if self.newest is None:
            return Checkpoint(self.before or {})
        return Checkpoint(
            {
                "cursor": max(self.newest, self.before["cursor"] if self.before else 0),
                "seen": sorted(self.seen),
                "pending_from": self.pending_from,
                "checked_at": now,
            }
        )


@dataclass
class CreatedFeed(StripeFeed):
    """Balance transactions: no events, one change in their life (pending becomes available)."""

    path: str = field(kw_only=True)

    def _window(self) -> Iterator[Item]:
        since, until = self._window_seconds()
        for page in self.api.pages(self.path, {}, since=since, until=until):
            yield from page

    def _sync(self, state: dict[str, Any] | None) -> Iterator[Item]:
        sweep = _Sweep.of(state)
        pages = self.api.pages(self.path, {}, since=sweep.since(self._start), until=sweep.through)
        for number, page in enumerate(pages, start=1):
            yield from (row for row in page if sweep.take(row))
            sweep.through = min(map(second_of, page))
            if number % PAGES_PER_CHECKPOINT == 0:
                yield sweep.on_the_way()
        yield sweep.done(self._now)


def _is_news(row: Mapping[str, Any], before: Mapping[str, Any]) -> bool:
    if second_of(row) >= before["cursor"] - OVERLAP_SECONDS and row["id"] not in before["seen"]:
        return True
    if row.get("status") != "available" or not isinstance(row.get("available_on"), int):
        return False
    # It was pending at the last sync if it became available after it; a day's grace for the clocks.
    checked = datetime.fromisoformat(before["checked_at"]).timestamp()
    return before["pending_from"] is not None and row["available_on"] > checked - 86_400


@dataclass
class EventFeed(StripeFeed):
    """The events: all that Stripe keeps at first, then the new ones."""

    def _window(self) -> Iterator[Item]:
        since, until = self._window_seconds()
        for page in self.api.pages("/v1/events", {}, since=since, until=until):
            yield from (event for event in page if is_relevant(event.get("type", "")))

    def _sync(self, state: dict[str, Any] | None) -> Iterator[Item]:
        progress = state.get("list") if state else None
        before = self._sound(progress["before"] if progress else state)
        if progress and before is progress["before"]:
            yield from self._list(progress, before)
            return
        since = before["cursor"] - OVERLAP_SECONDS if before else self._start
        held = self.log.whole(since) if before else None
        if held is None:
            listing = {"since": since, "through": self.log.anchor(), "then": None}
            yield from self._list(listing, before)
            return
        seen = set(before["seen"])
        yield from (event for event in held if event["id"] not in seen)
        yield Checkpoint(self._caught_up(held))

    def _sound(self, before: dict[str, Any] | None) -> dict[str, Any] | None:
        """The last state, unless it can't be one of this account's."""
        if before and self.log.has_events() and before["cursor"] > self.log.anchor():
            logger.warning("events: the cursor lies after Stripe's newest event: reading all again")
            return None
        if before and self._is_stale(before["checked_at"]):
            logger.warning(
                "events: those between %s and 30 days ago are gone", before["checked_at"]
            )
        return before

    def _list(self, place: Mapping[str, Any], before: dict[str, Any] | None) -> Iterator[Item]:
        """List from a place downwards, newest first."""
        since, through, then = place["since"], place["through"], place["then"]
        seen = set(before["seen"]) if before else set()
        floor = self.log.anchor() - OVERLAP_SECONDS
        newest: list[dict[str, Any]] = []
        pages = self.api.pages("/v1/events", {}, since=since, until=through)
        for number, page in enumerate(pages, start=1):
            if then is None:
                newest.extend(event for event in page if second_of(event) >= floor)
            yield from (
                event
                for event in page
                if is_relevant(event.get("type", "")) and event["id"] not in seen
            )
            through = min(map(second_of, page))
            if then is None and through < floor:
                then = self._caught_up(newest)
            if number % PAGES_PER_CHECKPOINT == 0 and then is not None:
                logger.info("events: %d read", number * len(page))
                listing = {"since": since, "through": through, "then": then, "before": before}
                yield Checkpoint({"list": listing})
        yield Checkpoint(then or self._caught_up(newest))

    def _caught_up(self, events: list[dict[str, Any]]) -> dict[str, Any]:
        anchor = self.log.anchor()
        floor = anchor - OVERLAP_SECONDS
        seen = sorted(event["id"] for event in events if second_of(event) >= floor)
        return {"cursor": anchor, "seen": seen, "checked_at": self._now}


def checked_state(stream: str, state: Mapping[str, Any] | None) -> None:
    """Refuse a state that this connector cannot have written.

    Raises:
        AirbyteTracedException: it is corrupt; guessing a cursor would lose data in silence.
    """
    if not state:
        return
    place = state.get("list")
    inner = state
    is_good = True
    if place is not None:
        is_good = isinstance(place, Mapping) and _is_second(place.get("through"))
        inner = (place.get("then") or place.get("before")) if is_good else None
    if inner is not None:
        is_good = is_good and isinstance(inner, Mapping) and _is_caught_up(inner)
    if not is_good:
        raise config_error(
            f"The state of {stream} is not one this connector wrote: reset the stream"
        )


def _is_caught_up(state: Mapping[str, Any]) -> bool:
    seen, checked = state.get("seen"), state.get("checked_at")
    try:
        datetime.fromisoformat(checked)
    except (TypeError, ValueError):
        return False
    is_list = isinstance(seen, list) and all(isinstance(item, str) for item in seen)
    return is_list and _is_second(state.get("cursor"))


def _is_second(value: Any) -> bool:
    return type(value) is int and value >= 0
