"""The API's calls, day by day, and the files they are delivered in.

A day's calls are drawn at once with numpy from that day's own random streams, so a day can be made
again, alone, at any time and comes out byte for byte the same. Calls follow each customer's weekly
level, the weekday and the hour; what they call follows the features it has taken up; how they fare
follows the weather (`sandbox.weather`).

Delivery of day D: `D.jsonl.gz` when the day is over. On every third day some calls come 1-3 days
late, in `D.late-<n>d.jsonl.gz`. On every sixth the whole file comes again under another name
(`D.redelivered.jsonl.gz`), and between those a part of one does (`D.part-2.jsonl.gz`).

Writes: `usage/*.jsonl.gz`, one JSON line per call, as the usage contract has it.
"""

from __future__ import annotations

import gzip
import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from sandbox.company import ENDPOINTS, FEATURES, TIERS, CompanyOptions
from sandbox.lifecycle import Life
from sandbox.people import region
from sandbox.weather import weather

DAY = timedelta(days=1)
LATE_EVERY, AGAIN_EVERY = 3, 6
_WEEKDAYS = np.array([1.0, 1.06, 1.08, 1.04, 0.94, 0.38, 0.32])
_HOURS = np.cumsum(
    np.array([2, 1, 1, 1, 1, 2, 3, 5, 7, 9, 10, 10, 9, 9, 10, 10, 9, 7, 5, 4, 4, 3, 3, 2]) / 127
)

# Which endpoint a feature's calls go to: first choice, second choice, share of the second.
_ROUTES = {
    "basic_quantization": ("/quantize", "/benchmark", 0.05),
    "advanced_quantization": ("/quantize", "/benchmark", 0.15),
    "batch_processing": ("/batch-process", "/jobs", 0.30),
    "real_time_inference": ("/inference", "/embeddings", 0.20),
    "gpu_acceleration": ("/inference", "/quantize", 0.35),
    "model_hosting": ("/models", "/inference", 0.40),
    "usage_dashboard": ("/analyze", "/analyze", 0.0),
    "webhooks": ("/jobs", "/jobs", 0.0),
    "custom_models": ("/models", "/quantize", 0.45),
    "team_workspaces": ("/analyze", "/models", 0.50),
    "audit_log": ("/analyze", "/analyze", 0.0),
    "priority_queue": ("/batch-process", "/jobs", 0.25),
}
_FIRST = np.array([ENDPOINTS.index(_ROUTES[feature][0]) for feature in FEATURES])
_SECOND = np.array([ENDPOINTS.index(_ROUTES[feature][1]) for feature in FEATURES])
_SECOND_SHARE = np.array([_ROUTES[feature][2] for feature in FEATURES])
_POPULARITY = np.array([5.0, 2.6, 2.4, 4.5, 1.8, 1.5, 0.8, 0.5, 1.0, 0.3, 0.2, 0.6])
# The lowest tier that has a feature.
_TIER_NEEDED = np.array([0, 1, 1, 0, 2, 1, 0, 1, 2, 2, 3, 3])

# Per endpoint: usual milliseconds, spread of their logarithm, usual bytes, method.
_MILLISECONDS = np.array([620.0, 85.0, 2400.0, 310.0, 45.0, 60.0, 1500.0, 38.0])
_SPREAD = np.array([0.55, 0.45, 0.70, 0.50, 0.40, 0.40, 0.60, 0.35])
_BYTES = np.array([4e6, 3e4, 6e7, 8e5, 2e3, 1.2e4, 2e6, 1.5e3])
_METHODS = np.array(["POST", "POST", "POST", "POST", "GET", "POST", "POST", "GET"])
_OK = np.array([200, 200, 202, 200, 200, 200, 200, 200])
_CLIENT = np.array([400, 401, 404, 422, 429])
_CLIENT_SHARES = np.cumsum([0.42, 0.10, 0.10, 0.14, 0.24])
_SERVER = np.array([500, 502, 503, 504])


@dataclass(frozen=True)
class UsageFile:
    """One file as delivered.

    Attributes:
        name: File name.
        delivered_at: The instant from which it is there.
        data: Its bytes.
        tally: New calls in it by (endpoint, status class); empty for what was delivered before.
        first_calls: Instant of the first new call per account.
    """

    name: str
    delivered_at: datetime
    data: bytes
    tally: dict[tuple[str, str], int]
    first_calls: dict[str, str]


class Usage:
    """All calls of the company.

    Args:
        options: The company.
        lives: Everybody, the odd ones included.
        scripted: For some of them (by account id): calls per usual day, and from and until when;
            their calls don't scale with the company's.
        days: Number of days simulated; at least the base span's, which the scale is taken from.
    """

    def __init__(
        self,
        options: CompanyOptions,
        lives: list[Life],
        scripted: dict[str, tuple[float, datetime, datetime | None]],
        days: int,
    ) -> None:
        self.options = options
        active = [
            life for life in lives if life.active_from is not None and not life.account.silent
        ]
        # In the order of their first possible call: whoever comes later doesn't move those before.
        active.sort(key=lambda life: (life.active_from, life.account.account_id))
        self.lives = active
        self.ids = [life.account.account_id for life in active]
        self.column = {account: n for n, account in enumerate(self.ids)}
        self.days = max(days, (options.base_end - options.start_at).days)
        weeks = self.days // 7 + 1
        self.level = np.zeros((len(active), weeks))
        self.tier = np.zeros((len(active), weeks), dtype=np.int8)
        self.since = np.array([(life.active_from - options.start_at) / DAY for life in active])
        self.until = np.full(len(active), np.inf)
        self.is_scripted = np.array([account in scripted for account in self.ids])
        for n, life in enumerate(active):
            if life.account.account_id in scripted:
                level, since, until = scripted[life.account.account_id]
                self.level[n] = level
                self.tier[n] = TIERS.index(life.account.tier)
                self.since[n] = (since - options.start_at) / DAY
                if until is not None:
                    self.until[n] = (until - options.start_at) / DAY
            else:
                known = min(weeks, life.first_week + len(life.level)) - life.first_week
                self.level[n, life.first_week : life.first_week + known] = life.level[:known]
                tiers = [TIERS.index(tier) for tier in life.tiers[:known]]
                self.tier[n, life.first_week : life.first_week + known] = tiers
        self.tastes, self.adopted = self._tastes()
        self.regions = np.array([region(life.account.country) for life in active])
        self._fit_scale()

    def _tastes(self) -> tuple[np.ndarray, np.ndarray]:
        tastes, adopted = (
            np.ones((len(self.lives), len(FEATURES))),
            np.zeros((len(self.lives), len(FEATURES))),
        )
        for n, life in enumerate(self.lives):
            if life.person is not None:
                tastes[n] = life.person.tastes
                adopted[n] = life.first_week + life.person.eagerness
        # Everybody has the two basic features from the start.
        adopted[:, [0, 3]] = -1
        return tastes * _POPULARITY, adopted

    def _rates(self, day: int) -> np.ndarray:
        """Expected calls per account on a day, before the scale."""
        at = self.options.start_at + day * DAY
        pulse = 1 + 0.06 * float(
            np.random.default_rng([self.options.seed, 20, day]).standard_normal()
        )
        rates = self.level[:, day // 7] * _WEEKDAYS[at.weekday()] * pulse
        # The part of the day in which the account is there.
        share = np.clip(np.minimum(day + 1, self.until) - np.maximum(day, self.since), 0, 1)
        return rates * share

    def _fit_scale(self) -> None:
        base = (self.options.base_end - self.options.start_at).days
        expected = sum(self._rates(day) for day in range(base))
        # Summed exactly: customers who come after the base span must not move the last bit.
        scripted = math.fsum(expected[self.is_scripted].tolist())
        simulated = math.fsum(expected[~self.is_scripted].tolist())
        wanted = float(self.options.calls)
        # In a tiny company the scripted customers call less as well.
        self.scripted_scale = min(1.0, 0.15 * wanted / scripted) if scripted else 1.0
        self.scale = (wanted - self.scripted_scale * scripted) / simulated if simulated else 0.0

    def counts(self, day: int) -> tuple[np.ndarray, np.random.Generator]:
        """Calls per account on a day, in the order of `ids`, and the generator for what follows."""
        rng = np.random.default_rng([self.options.seed, 21, day])
        rates = self._rates(day) * np.where(self.is_scripted, self.scripted_scale, self.scale)
        counts = np.zeros(len(rates), dtype=np.int64)
        there = rates > 0
        counts[there] = rng.poisson(rates[there])
        return counts, rng

    # --- the calls of a day -----------------------------------------------------------------------

    def _features(self, rng: np.random.Generator, who: np.ndarray, day: int) -> np.ndarray:
        week = day // 7
        allowed = (self.tier[:, week, None] >= _TIER_NEEDED) & (self.adopted <= week)
        weights = self.tastes * allowed
        reach = np.cumsum(weights, axis=1)
        # In single steps of a call's account: how many features' reach lies below its draw.
        draw = rng.random(len(who)) * reach[who, -1]
        return (reach[who] <= draw[:, None]).sum(axis=1).clip(0, len(FEATURES) - 1)

    def calls(self, day: int) -> tuple[list[str], np.ndarray, dict[str, np.ndarray]]:
        """A day's calls in order of time.

        Returns:
            The JSON lines, how many days late each arrives (0: in time), and columns for the tally.
        """
        counts, rng = self.counts(day)
        who = np.repeat(np.arange(len(counts)), counts)
        size = len(who)
        feature = self._features(rng, who, day)
        u = rng.random((5, size))
        endpoint = np.where(u[0] < _SECOND_SHARE[feature], _SECOND[feature], _FIRST[feature])
        slow, failing = weather(self.options.seed, day)
        free = self.tier[who, day // 7] == 0
        client_share = np.where(free, 0.055, 0.028)
        server_share = 0.004 + failing[endpoint]
        status = _OK[endpoint]
        status = np.where((endpoint == 7) & (u[2] < 0.3), 201, status)
        client = u[1] < client_share
        server = (u[1] >= client_share) & (u[1] < client_share + server_share)
        status = np.where(client, _CLIENT[np.searchsorted(_CLIENT_SHARES, u[2]).clip(0, 4)], status)
        status = np.where(server, _SERVER[(u[2] * 4).astype(int)], status)
        normal = rng.standard_normal((2, size))
        took = _MILLISECONDS[endpoint] * slow[endpoint] * np.exp(_SPREAD[endpoint] * normal[0])
        # Refusals are quick, failures are slow.
        took = np.where(client, 4 + took * 0.05, np.where(server, 900 + 2.5 * took, took)).round(1)
        sent = (_BYTES[endpoint] * np.exp(1.1 * normal[1])).astype(np.int64)
        sent = np.where(client | server, 0, sent)
        share_of_day = (np.searchsorted(_HOURS, u[3]).clip(0, 23) + u[4]) / 24
        begins = np.clip(self.since[who] - day, 0, 1)
        ends = np.clip(self.until[who] - day, 0, 1)
        milliseconds = (
            ((begins + share_of_day * (ends - begins)) * 86_400_000)
            .astype(np.int64)
            .clip(0, 86_399_999)
        )
        order = np.lexsort((np.arange(size), milliseconds))
        late = self._lateness(day, size)
        midnight = np.datetime64((self.options.start_at + day * DAY).replace(tzinfo=None), "ms")
        stamps = np.datetime_as_string(midnight + milliseconds[order], unit="ms").tolist()
        who, endpoint, status = who[order], endpoint[order], status[order]
        salt = rng.bytes(12 * size).hex()
        ids, endpoints, features = self.ids, ENDPOINTS, FEATURES
        lines = [
            f'{{"request_id":"req_{salt[24 * n : 24 * n + 24]}","customer_id":"{ids[w]}",'
            f'"endpoint":"{endpoints[e]}",'
            f'"method":"{m}","status_code":{s},"response_time_ms":{t},"bytes_processed":{b},'
            f'"feature":"{features[f]}","region":"{r}","timestamp":"{at}Z"}}\n'
            for n, (w, e, m, s, t, b, f, r, at) in enumerate(
                zip(
                    who.tolist(), endpoint.tolist(), _METHODS[endpoint].tolist(), status.tolist(),
                    took[order].tolist(), sent[order].tolist(), feature[order].tolist(),
                    self.regions[who].tolist(), stamps, strict=True,
                )
            )
        ]  # fmt: skip
        return (
            lines,
            late,
            {"who": who, "endpoint": endpoint, "class": status // 100, "ms": milliseconds[order]},
        )

    def _lateness(self, day: int, size: int) -> np.ndarray:
        """How many days late each call of a day arrives."""
        late = np.zeros(size, dtype=np.int8)
        if day % LATE_EVERY == 0:
            rng = np.random.default_rng([self.options.seed, 22, day])
            draw, days = rng.random(size), rng.integers(1, 4, size)
            late = np.where(draw < 0.01 + 0.04 * rng.random(), days, 0).astype(np.int8)
        return late

    # --- files ------------------------------------------------------------------------------------

    def files(self, day: int, after: datetime | None, now: datetime) -> Iterator[UsageFile]:
        """The files of a day's calls that are delivered in (after, now].

        Args:
            day: Number of the day.
            after: What was there at this instant is not made again; None: everything.
            now: The present; what comes later isn't there yet.
        """
        begins = self.options.start_at + day * DAY
        name = begins.date().isoformat()
        deliveries = [(f"{name}.jsonl.gz", begins + DAY, 0)]
        if day % LATE_EVERY == 0:
            deliveries += [
                (f"{name}.late-{n}d.jsonl.gz", begins + (1 + n) * DAY, n) for n in (1, 2, 3)
            ]
        if day % AGAIN_EVERY == 2:
            deliveries.append((f"{name}.redelivered.jsonl.gz", begins + 3 * DAY, -1))
        if day % AGAIN_EVERY == 5:
            deliveries.append((f"{name}.part-2.jsonl.gz", begins + 2 * DAY, -2))
        due = [item for item in deliveries if item[1] <= now and (after is None or item[1] > after)]
        if not due:
            return
        lines, late, columns = self.calls(day)
        for file, delivered_at, kind in due:
            if kind >= 0:
                chosen = np.flatnonzero(late == kind)
                if kind > 0 and not len(chosen):
                    continue
                yield UsageFile(
                    file, delivered_at, _zip(lines, chosen), *self._tally(columns, chosen, name)
                )
            else:
                # What came in time comes again: all of it, or its middle.
                chosen = np.flatnonzero(late == 0)
                if kind == -2:
                    chosen = chosen[len(chosen) // 3 : len(chosen) // 2]
                yield UsageFile(file, delivered_at, _zip(lines, chosen), {}, {})

    def _tally(
        self, columns: dict[str, np.ndarray], chosen: np.ndarray, name: str
    ) -> tuple[dict[tuple[str, str], int], dict[str, str]]:
        codes, numbers = np.unique(
            columns["endpoint"][chosen] * 10 + columns["class"][chosen], return_counts=True
        )
        tally = {
            (ENDPOINTS[code // 10], f"{code % 10}xx"): int(number)
            for code, number in zip(codes.tolist(), numbers.tolist(), strict=True)
        }
        # Lines are in order of time, so an account's first line is its first call.
        accounts, first = np.unique(columns["who"][chosen], return_index=True)
        midnight = np.datetime64(name, "ms")
        stamps = np.datetime_as_string(midnight + columns["ms"][chosen][first], unit="ms").tolist()
        first_calls = {
            self.ids[n]: f"{at}Z" for n, at in zip(accounts.tolist(), stamps, strict=True)
        }
        return tally, first_calls


def _zip(lines: list[str], chosen: np.ndarray) -> bytes:
    text = (
        "".join(lines)
        if len(chosen) == len(lines)
        else "".join([lines[n] for n in chosen.tolist()])
    )
    return gzip.compress(text.encode(), compresslevel=1, mtime=0)
