"""`make soak`: two hundred random kills along the road; nothing lost, nothing twice, gold of the same hash."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from tests.faults.random_kills import Company, Kill, harm, killed_round, summary


@pytest.mark.soak
@pytest.mark.timeout(0)
def test_random_kills_leave_no_trace(tmp_path: Path, pytestconfig: pytest.Config) -> None:
    kills, seed = pytestconfig.getoption("--kills"), pytestconfig.getoption("--kills-seed")
    chance = random.Random(seed)
    started = time.monotonic()
    company = Company.made(tmp_path)
    print("\nseconds of an unharmed day:", {k: round(v) for k, v in company.seconds.items()})

    def say(kill: Kill) -> None:
        print(f"  {'' if kill.hit else 'not '}killed: {kill.whom}, {kill.how}", flush=True)

    tried: list[Kill] = []
    rounds = 0
    while sum(kill.hit for kill in tried) < kills:
        home = tmp_path / f"round-{rounds}"
        tried += killed_round(company, home, chance, say)
        rounds += 1
        assert not harm(company, home)
        print(
            f"{rounds} rounds: 0 lost, 0 doubled, gold hash-identical after {summary(tried)}; "
            f"{time.monotonic() - started:.0f} s, seed {seed}",
            flush=True,
        )
