"""Takes from a failing history whatever its failure doesn't need, and keeps the rest as a case.

A round tries every reduction as a customer of its own in one build, keeps the best one that still fails, and goes on until none
does. Steps whose objects are gone do nothing (`play.py`), so that every reduction is a history that Stripe could have told.

Run: `python -m tests.dbt.histories.shrink SEED NUMBER NAME` writes `cases/NAME.json`.
"""

from __future__ import annotations

import argparse
import copy
import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.dbt.histories import feeding, generator, play
from tests.dbt.histories.compare import Expected, disagreements

Object = dict[str, Any]
#: Which of some scripts fail.
Judge = Callable[[list[Object]], list[bool]]
CASES = Path(__file__).parent / "cases"
#: What a step can do without; and what it says at its plainest.
OPTIONAL = ("coupons", "tax", "trial", "lag", "balance", "pending", "backdated")
PLAIN_PRICE = {
    "amount": "1000", "currency": "usd", "interval": "month", "count": 1, "usage": "licensed", "tax": "unspecified", "options": {},
}  # fmt: skip


def reductions(script: Object) -> Iterator[Object]:
    """Smaller scripts, the boldest first."""
    steps = script["steps"]
    for kept in _fewer(steps):
        yield script | {"steps": kept}
    for number, step in enumerate(steps):
        for plainer in (*_without(step), *_shorter(step)):
            yield script | {"steps": [*steps[:number], plainer, *steps[number + 1 :]]}
    for name, spec in script["prices"].items():
        plain = PLAIN_PRICE | {key: spec[key] for key in ("currency", "created", "product")}
        if spec != plain:
            yield script | {"prices": script["prices"] | {name: plain}}
    for part in ("looks", "seen_from"):
        if script.get(part):
            yield {key: value for key, value in script.items() if key != part}
    if script["list_version"] != 3:
        yield script | {"list_version": 3}


def _fewer(steps: list[Object]) -> Iterator[list[Object]]:
    """Without a kind of step, without an object, and without ever smaller stretches."""
    for part in ("do", "sub", "cus", "inv", "charge"):
        for value in sorted({str(step.get(part)) for step in steps}):
            yield [step for step in steps if str(step.get(part)) != value]
    size = len(steps) // 2
    while size:
        for start in range(0, len(steps), size):
            yield steps[:start] + steps[start + size :]
        size //= 2


def _without(step: Object) -> Iterator[Object]:
    """A step without one of the things that it can do without."""
    if step["v"] != 3:
        yield step | {"v": 3}
    for field in OPTIONAL:
        if step.get(field):
            yield step | {field: type(step[field])()}
    for name in step.get("coupons", {}):
        yield step | {"coupons": {key: one for key, one in step["coupons"].items() if key != name}}


def _shorter(step: Object) -> Iterator[Object]:
    """A step with one item or line less, or with a plainer one."""
    for field in ("items", "lines", "invoices"):
        inner = step.get(field, [])
        for number, one in enumerate(inner):
            if len(inner) > 1:
                yield step | {field: inner[:number] + inner[number + 1 :]}
            for part in ("coupons", "tax", "off", "taxes"):
                if isinstance(one, dict) and one.get(part):
                    bare = one | {part: type(one[part])()}
                    yield step | {field: [*inner[:number], bare, *inner[number + 1 :]]}


def shrunk(script: Object, judge: Judge) -> Object:
    """The smallest script found that still fails."""
    while True:
        candidates = list(reductions(script))
        verdicts = judge(candidates)
        failing = [one for one, fails in zip(candidates, verdicts, strict=True) if fails]
        if not failing:
            return _tidied(script)
        # what can go alone can mostly go together
        together = [step for step in script["steps"] if not _can_go(step, script, failing)]
        greedy = script | {"steps": together}
        script = min(failing, key=_weight)
        if _weight(greedy) < _weight(script) and judge([greedy])[0]:
            script = greedy


def _can_go(step: Object, script: Object, failing: list[Object]) -> bool:
    rest = [one for one in script["steps"] if one is not step]
    return any(one["steps"] == rest for one in failing)


def _weight(script: Object) -> tuple[int, int]:
    return len(script["steps"]), len(json.dumps(script))


def _tidied(script: Object) -> Object:
    """Without prices and taxes that nothing names."""
    said = json.dumps(script["steps"])
    kept = copy.deepcopy(script)
    kept["prices"] = {k: v for k, v in script["prices"].items() if f'"{k}"' in said}
    kept["taxes"] = {k: v for k, v in script["taxes"].items() if f'"{k}"' in said}
    return kept


def by_gold(scripts: list[Object]) -> list[bool]:
    """Judge scripts by one build of the warehouse."""
    told = {f"t{number}": play.told(script, f"t{number}") for number, script in enumerate(scripts)}
    told = {key: one for key, one in told.items() if one.streams["customers"]}
    with tempfile.TemporaryDirectory() as folder:
        settings = feeding.warehouse_at(Path(folder))
        feeding.feed(settings, feeding.loads_of(told))
        feeding.build(settings)
        wrong = disagreements(settings, Expected(told))
    return [f"t{number}" in wrong for number in range(len(scripts))]


def main() -> None:
    """Shrink one history of a seed into a case."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("seed", type=int)
    parser.add_argument("number", type=int)
    parser.add_argument("name")
    chosen = parser.parse_args()
    case = shrunk(generator.script(chosen.seed, chosen.number), by_gold)
    (CASES / f"{chosen.name}.json").write_text(json.dumps(case, indent=1) + "\n")


if __name__ == "__main__":
    main()
