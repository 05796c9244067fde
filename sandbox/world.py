"""Make the sandbox company, and move it on by days.

Reads: `sandbox/company.json`, `sandbox/clock.json`
Writes: everything under `<home>/sandbox`; the clock last, so that an interrupted run is simply done
again.
Run: `warehouse sandbox create`, `warehouse sandbox advance --days 3`
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

import orjson

from sandbox import inputs, product
from sandbox.company import CompanyOptions
from sandbox.simulation import Company, simulate
from sandbox.support import support_desk
from sandbox.truth import truth
from sandbox.usage import DAY
from warehouse import locks
from warehouse.durable import sync
from warehouse.errors import CallError
from warehouse.settings import Settings

# No file of a day is delivered later than this many days after it.
_LATEST_DELIVERY = 5
Progress = Callable[[str], None]


@dataclass(frozen=True)
class WorldReport:
    """What a `create` or `advance` did.

    Attributes:
        now: The company's clock.
        created: False: it was there already and nothing was touched.
        customers: Accounts in the product's database.
        files: Usage files written.
        calls: New calls in them.
        cpu_seconds: CPU time it took.
    """

    now: datetime
    created: bool
    customers: int
    files: int
    calls: int
    cpu_seconds: float

    def __str__(self) -> str:
        if not self.created:
            return f"the company is there already; its clock stands at {self.now:%Y-%m-%d}"
        return (
            f"the company's clock stands at {self.now:%Y-%m-%d}: {self.customers:,} customers, "
            f"{self.files:,} new usage files with {self.calls:,} calls "
            f"({self.cpu_seconds:.1f} CPU s)"
        )

    def __rich__(self) -> str:
        return str(self)


def create(
    settings: Settings,
    customers: int = 500,
    months: int = 18,
    seed: int = 7,
    calls: int = 1_000_000,
    *,
    start: date = date(2024, 1, 1),
    event_retention_days: int | None = None,
    progress: Progress | None = None,
) -> WorldReport:
    """Make the company of these options, unless it is there already.

    Args:
        settings: Where.
        customers: Accounts by the end of the base span.
        months: Length of the base span.
        seed: Seed of everything.
        calls: API calls in the base span, about.
        start: First day.
        event_retention_days: Keep Stripe's events that long; None: for good.
        progress: Told what is being done.

    Raises:
        CallError: There is another company in this data folder, or the options make no sense.
    """
    _sandbox_only(settings)
    if customers < 20 or months < 1 or calls < 0 or seed < 0:
        raise CallError(
            f"a company of {customers} customers, {months} months, {calls} calls, seed {seed} "
            "can't be made",
            "use at least 20 customers and 1 month, and nothing negative",
        )
    options = CompanyOptions(customers, months, seed, calls, start, event_retention_days)
    folder = settings.sandbox_dir
    with _hold(settings):
        if (folder / "clock.json").exists():
            existing = read_options(settings)
            if existing != options:
                raise CallError(
                    f"another company is in {folder}: {_words(existing)}",
                    "use the same options, another WAREHOUSE_HOME, or `warehouse reset` first",
                )
            return WorldReport(read_clock(settings), False, 0, 0, 0, 0.0)
        return _build(settings, options, None, options.base_end, progress)


def advance(settings: Settings, days: int, *, progress: Progress | None = None) -> WorldReport:
    """Move the company on by days; sources, truth and clock follow.

    Args:
        settings: Where.
        days: How many, at least 1.
        progress: Told what is being done.

    Raises:
        CallError: There is no company, or `days` isn't positive.
    """
    _sandbox_only(settings)
    if days < 1:
        raise CallError(f"can't move on by {days} days", "use --days 1 or more")
    with _hold(settings):
        options, before = read_options(settings), read_clock(settings)
        return _build(settings, options, before, before + timedelta(days=days), progress)


def exists(settings: Settings) -> bool:
    """Whether there is a company in the data folder."""
    return (settings.sandbox_dir / "clock.json").exists()


def read_options(settings: Settings) -> CompanyOptions:
    """The company's options.

    Raises:
        CallError: There is no company.
    """
    path = settings.sandbox_dir / "company.json"
    if not path.exists():
        raise CallError(
            f"there is no sandbox company in {settings.sandbox_dir}",
            "run `warehouse sandbox create`",
        )
    values = orjson.loads(path.read_bytes())
    return CompanyOptions(**values | {"start": date.fromisoformat(values["start"])})


def read_clock(settings: Settings) -> datetime:
    """The company's own now, whatever `WAREHOUSE_AS_OF` says."""
    path = settings.sandbox_dir / "clock.json"
    if not path.exists():
        raise CallError(
            f"there is no sandbox company in {settings.sandbox_dir}",
            "run `warehouse sandbox create`",
        )
    return datetime.fromisoformat(orjson.loads(path.read_bytes())["now"])


# --- building -------------------------------------------------------------------------------------


def _build(
    settings: Settings,
    options: CompanyOptions,
    before: datetime | None,
    now: datetime,
    progress: Progress | None,
) -> WorldReport:
    say = progress or (lambda _: None)
    began = time.process_time()
    folder = settings.sandbox_dir
    for name in ("usage", "inputs", "truth"):
        (folder / name).mkdir(parents=True, exist_ok=True, mode=0o700)
    with _draft(folder) as draft:
        say("living through the company's days")
        company = simulate(options, now)
        say("writing usage files")
        tallies, first_calls, files, calls = _usage_files(folder, company, before, say)
        say("writing Stripe, support desk, product database and inputs")
        company.billing.write(draft / "stripe.sqlite")
        desk = support_desk(company.lives, now)
        desk.write(draft / "support.sqlite")
        tables = product.product_database(options, company.lives, now)
        product.write(tables, draft / "product.sqlite")
        (draft / "inputs").mkdir()
        (draft / "inputs" / "fx_rates.csv").write_text(inputs.fx_csv(options, now.date()))
        (draft / "inputs" / "ad_spend.csv").write_text(
            inputs.ad_spend_csv(options, (now - DAY).date())
        )
        delivered = [tuple(row) for rows in tallies.values() for row in rows]
        (draft / "truth").mkdir()
        for name, text in truth(
            company, desk, draft / "stripe.sqlite", delivered, first_calls
        ).items():
            (draft / "truth" / f"{name}.csv").write_text(text)
        (draft / "tallies.json").write_bytes(orjson.dumps(tallies, option=orjson.OPT_SORT_KEYS))
        (draft / "first_calls.json").write_bytes(
            orjson.dumps(first_calls, option=orjson.OPT_SORT_KEYS)
        )
        values = asdict(options) | {"start": options.start.isoformat()}
        (draft / "company.json").write_bytes(orjson.dumps(values, option=orjson.OPT_INDENT_2))
        for path in sorted(draft.rglob("*")):
            if path.is_file():
                _replace(path, folder / path.relative_to(draft))
        (draft / "clock.json").write_bytes(
            orjson.dumps({"now": now.strftime("%Y-%m-%dT%H:%M:%SZ")})
        )
        _replace(draft / "clock.json", folder / "clock.json")
    return WorldReport(
        now, True, len(tables["accounts"]), files, calls, time.process_time() - began
    )


def _usage_files(
    folder: Path, company: Company, before: datetime | None, say: Progress
) -> tuple[dict[str, list[list[object]]], dict[str, str], int, int]:
    """Write the files that are delivered since `before`.

    Returns:
        Tally per file ever delivered, first call per account, files and calls that are new.
    """
    tallies: dict[str, list[list[object]]] = {}
    first_calls: dict[str, str] = {}
    first_day = 0
    if before is not None:
        tallies = orjson.loads((folder / "tallies.json").read_bytes())
        first_calls = orjson.loads((folder / "first_calls.json").read_bytes())
        first_day = max(0, (before - company.options.start_at).days - _LATEST_DELIVERY)
    last_day = (company.now - company.options.start_at).days
    written = calls = 0
    for day in range(first_day, last_day):
        if day % 60 == 59:
            say(f"writing usage files: day {day + 1} of {last_day}")
        name = (company.options.start_at + day * DAY).date().isoformat()
        for file in company.usage.files(day, before, company.now):
            temporary = folder / "usage" / f".{file.name}.part"
            temporary.write_bytes(file.data)
            # A new company is quickly made again; on an old one every file is on disk before the clock.
            _replace(temporary, folder / "usage" / file.name, durable=before is not None)
            tallies[file.name] = [
                [name, *key, number] for key, number in sorted(file.tally.items())
            ]
            for account, at in file.first_calls.items():
                first_calls[account] = min(at, first_calls.get(account, at))
            written += 1
            calls += sum(file.tally.values())
    return tallies, first_calls, written, calls


@contextmanager
def _draft(folder: Path) -> Iterator[Path]:
    """A folder beside the real files, gone afterwards."""
    draft = folder / ".draft"
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(mode=0o700)
    try:
        yield draft
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _replace(source: Path, target: Path, *, durable: bool = True) -> None:
    """Put a finished file in its place; durable: it is on disk before its name is."""
    if durable:
        sync(source)
    source.chmod(0o600)
    source.replace(target)


def _hold(settings: Settings) -> AbstractContextManager[None]:
    settings.sandbox_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    return locks.hold(
        settings.sandbox_dir / "company.json", what="sandbox", timeout=settings.lock_timeout
    )


def _sandbox_only(settings: Settings) -> None:
    if settings.mode != "sandbox":
        raise CallError(
            "the sandbox company exists in sandbox mode only", "set WAREHOUSE_MODE=sandbox"
        )


def _words(options: CompanyOptions) -> str:
    return (
        f"{options.customers} customers, {options.months} months, seed {options.seed}, "
        f"{options.calls} calls"
    )
