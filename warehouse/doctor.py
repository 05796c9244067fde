"""Look over settings, rights, keys, files and versions: strict in real mode, notes in sandbox mode.

Values of settings are never shown, only whether they are set.

Reads: settings, the data folder's rights and files, installed versions, what an Airflow of one's own is set to.
Writes: nothing.
Run: `warehouse doctor`.
"""

from __future__ import annotations

import re
import shutil
import socket
import stat
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from warehouse import duck, locks, own_airflow
from warehouse.errors import WarehouseError
from warehouse.settings import PROJECT_ROOT, SIZE, Settings, environment_is_set
from warehouse.sources import SOURCES

Level = Literal["ok", "note", "fail"]

# Versions that were resolved and run together: name → prefix of the version.
VERSIONS = {
    "apache-airflow": "3.3.",
    "dbt-core": "1.11.",
    "dbt-duckdb": "1.11.",
    "duckdb": "2.0.",
    "great-expectations": "1.24.",
    "duckdb-engine": "0.17.",
    "sqlalchemy": "2.0.",
}
SECRETS = (
    "stripe_api_key",
    "support_token",
    "usage_token",
    "product_db_url",
    "pseudonym_key",
    "alert_slack_url",
    "alert_webhook_url",
    "alert_oncall_url",
    "smtp_url",
)
STRIPE_HOSTS = ("api.stripe.com",)
LOOPBACK = ("127.0.0.1", "localhost", "::1")
AIRFLOW_PORT = 8080
LEAST_KEY_LENGTH = 32
LOW_DISK_GB, NO_DISK_GB = 10.0, 1.0


@dataclass(frozen=True)
class Finding:
    """One point that was looked at.

    Attributes:
        name: What was looked at.
        level: ok, note, or fail (fail ends with exit code 1).
        detail: What was found.
        hint: What to do, where there is something to do.
    """

    name: str
    level: Level
    detail: str
    hint: str = ""


def examine(settings: Settings) -> list[Finding]:
    """Everything `warehouse doctor` shows, in order."""
    return [
        # first: where it is full, much of what follows is wrong for that reason alone
        *_disk(settings),
        *_versions(),
        *_settings(settings),
        *_mode(settings),
        *_keys(settings),
        *_addresses(settings),
        *_sources(settings),
        *_rights(settings),
        *_files(settings),
        *_published(settings),
        *_memory(settings),
        *_airflow(settings),
    ]


def _strict(settings: Settings) -> Level:
    """What a shortcoming counts as: a failure in real mode, a note in the sandbox."""
    return "fail" if settings.mode == "real" else "note"


def _versions() -> Iterator[Finding]:
    python = ".".join(map(str, sys.version_info[:3]))
    level: Level = "ok" if sys.version_info[:2] == (3, 11) else "fail"
    yield Finding("python", level, python, "" if level == "ok" else "use Python 3.11")
    for name, prefix in VERSIONS.items():
        try:
            found = metadata.version(name)
        except metadata.PackageNotFoundError:
            yield Finding(
                name, "fail", "not installed", "run `make demo`, or install requirements.lock"
            )
            continue
        if found.startswith(prefix):
            yield Finding(name, "ok", found)
        else:
            yield Finding(name, "fail", f"{found}, expected {prefix}*", "install requirements.lock")


def _settings(settings: Settings) -> Iterator[Finding]:
    for field_name, field in type(settings).model_fields.items():
        variable = str(field.validation_alias)
        value = getattr(settings, field_name, None)
        if value is None:
            detail = "not set"
        elif field_name in SECRETS:
            detail = "set (not shown)"
        elif environment_is_set(variable) or value != field.default:
            detail = "set"
        else:
            detail = "default"
        yield Finding(variable, "ok" if value is not None else "note", detail)


def _mode(settings: Settings) -> Iterator[Finding]:
    recorded = settings.home / "mode"
    if recorded.exists() and (found := recorded.read_text().strip()) != settings.mode:
        yield Finding(
            "mode", "fail", f"{settings.home} belongs to mode '{found}', not '{settings.mode}'",
            "set WAREHOUSE_MODE to match, or WAREHOUSE_HOME to another folder",
        )  # fmt: skip
    else:
        yield Finding("mode", "ok", settings.mode)
    if settings.as_of is not None:
        yield Finding(
            "now", "note" if settings.mode == "sandbox" else "fail",
            "WAREHOUSE_AS_OF pretends another instant", "unset it to run on the clock",
        )  # fmt: skip
    if settings.failpoint:
        yield Finding(
            "failpoint",
            "fail",
            "WAREHOUSE_FAILPOINT is set: the process will kill itself",
            "unset it",
        )


def _keys(settings: Settings) -> Iterator[Finding]:
    key = settings.pseudonym_key
    if not key:
        yield Finding(
            "pseudonym key", _strict(settings), "not set: no analyst edition can be published",
            "make one with `openssl rand -hex 32`, keep it outside the data folder, set PSEUDONYM_KEY",
        )  # fmt: skip
    elif len(key) < LEAST_KEY_LENGTH:
        yield Finding(
            "pseudonym key", _strict(settings), f"shorter than {LEAST_KEY_LENGTH} characters",
            "make one with `openssl rand -hex 32`; a new key gives new pseudonyms",
        )  # fmt: skip
    elif _key_in_folder(settings):
        yield Finding(
            "pseudonym key", "fail", "stands in the data folder, beside what it protects",
            "keep it in the environment or in a .env outside WAREHOUSE_HOME",
        )  # fmt: skip
    else:
        yield Finding("pseudonym key", "ok", "set, outside the data folder")
    stripe = settings.stripe_api_key or ""
    if settings.mode == "sandbox" and "_live_" in stripe and not stripe.endswith("_sandbox"):
        yield Finding(
            "Stripe key", "fail", "a live key in sandbox mode",
            "unset STRIPE_API_KEY, or use WAREHOUSE_MODE=real with another WAREHOUSE_HOME",
        )  # fmt: skip
    elif settings.mode == "real" and stripe.startswith("sk_"):
        yield Finding(
            "Stripe key",
            "note",
            "a secret key",
            "a restricted key (rk_…) with read rights is enough",
        )
    elif stripe:
        yield Finding("Stripe key", "ok", "set")


def _key_in_folder(settings: Settings) -> bool:
    """Whether the key is in a small text file of the data folder (files of data are not searched)."""
    if not settings.home.exists() or not settings.pseudonym_key:
        return False
    key = settings.pseudonym_key.encode()
    return any(
        key in path.read_bytes()
        for path in settings.home.glob("*")
        if path.is_file() and path.stat().st_size < 100_000 and path.suffix != ".duckdb"
    )


def _addresses(settings: Settings) -> Iterator[Finding]:
    for name, address in (
        ("STRIPE_API_BASE", settings.stripe_api_base),
        ("SUPPORT_BASE_URL", settings.support_base_url),
    ):
        if not address:
            continue
        parts = urlsplit(address)
        host = parts.hostname or ""
        if parts.username or parts.password:
            yield Finding(
                name, "fail", "carries a user or password", "use the token setting instead"
            )
        elif parts.scheme != "https" and host not in LOOPBACK:
            yield Finding(
                name, "fail", "is not https", "tokens would travel in the clear; use https://"
            )
        elif parts.scheme != "https":
            yield Finding(
                name, _strict(settings), "is a server on this machine", "unset it in real mode"
            )
        elif name == "STRIPE_API_BASE" and host not in STRIPE_HOSTS:
            yield Finding(
                name, _strict(settings), f"is not one of {', '.join(STRIPE_HOSTS)}", "unset it"
            )
        else:
            yield Finding(name, "ok", "https")


def _sources(settings: Settings) -> Iterator[Finding]:
    on = [spec.name for spec in SOURCES.values() if spec.is_on(settings)]
    for spec in SOURCES.values():
        missing = spec.missing(settings)
        if not missing:
            yield Finding(f"source {spec.name}", "ok", "on")
        elif settings.mode == "sandbox":
            yield Finding(f"source {spec.name}", "ok", "served by the sandbox")
        else:
            yield Finding(f"source {spec.name}", "note", f"off: {', '.join(missing)} not set")
    if settings.mode == "real" and not on:
        yield Finding(
            "sources",
            "fail",
            "every source is off",
            "set STRIPE_API_KEY, or another source's settings",
        )


def _rights(settings: Settings) -> Iterator[Finding]:
    for env_file in (Path(".env"), PROJECT_ROOT / ".env"):
        if env_file.is_file() and _others(env_file):
            yield Finding(
                str(env_file), _strict(settings), f"readable by others ({_mode_text(env_file)})",
                f"chmod 600 {env_file}",
            )  # fmt: skip
    if not settings.home.exists():
        yield Finding(
            "data folder", "note", f"{settings.home} does not exist yet", "made by the first run"
        )
        return
    wrong = [*_wrong_rights(settings)]
    if not wrong:
        yield Finding("file rights", "ok", "folders 700, files 600, published files 640")
    for path, expected in wrong[:5]:
        yield Finding(
            "file rights", _strict(settings),
            f"{path.relative_to(settings.home.parent)} is {_mode_text(path)}, expected {expected}",
            f"chmod {expected} {path}",
        )  # fmt: skip
    if len(wrong) > 5:
        yield Finding(
            "file rights", _strict(settings), f"and {len(wrong) - 5} more", f"see {settings.home}"
        )


def _wrong_rights(settings: Settings) -> Iterator[tuple[Path, str]]:
    """Files and folders that others may read; group members may read published files only."""
    if _others(settings.home) or _group(settings.home):
        yield settings.home, "700"
    for folder in (
        settings.landing_dir,
        settings.published_dir,
        settings.models_dir,
        settings.spool_dir,
    ):
        if folder.exists() and (_others(folder) or _group(folder)):
            yield folder, "700"
    private = [settings.warehouse_db, settings.ops_db, *_glob(settings.landing_dir, "*.duckdb")]
    private += [*_glob(settings.models_dir, "*"), *_glob(settings.spool_dir, "*")]
    for path in private:
        if path.is_file() and (_others(path) or _group(path)):
            yield path, "600"
    for path in _glob(settings.published_dir, "*/*"):
        if path.is_file() and not path.is_symlink() and _others(path):
            yield path, "640"


def _glob(folder: Path, pattern: str) -> list[Path]:
    return sorted(folder.glob(pattern)) if folder.exists() else []


def _others(path: Path) -> bool:
    return bool(path.stat().st_mode & stat.S_IRWXO)


def _group(path: Path) -> bool:
    return bool(path.stat().st_mode & stat.S_IRWXG)


def _mode_text(path: Path) -> str:
    return f"{stat.S_IMODE(path.stat().st_mode):03o}"


def _files(settings: Settings) -> Iterator[Finding]:
    paths = {f"landing {name}": settings.landing(name) for name in SOURCES}
    paths |= {"warehouse": settings.warehouse_db, "ops": settings.ops_db}
    for name, path in paths.items():
        if not path.exists():
            yield Finding(f"file {name}", "note", "not there yet", "made by the first run")
            continue
        try:
            with locks.hold(path, what="warehouse doctor", timeout=5, say=lambda _: None):
                con = duck.connect(path, read_only=True)
                tables = con.execute("select count(*) from duckdb_tables()").fetchone()
                con.close()
        except WarehouseError as error:
            yield Finding(f"file {name}", "fail", error.message, error.hint)
        else:
            megabytes = path.stat().st_size / 1e6
            yield Finding(
                f"file {name}",
                "ok",
                f"opens, {tables[0] if tables else 0} tables, {megabytes:,.1f} MB",
            )


def _published(settings: Settings) -> Iterator[Finding]:
    from serving.publish import current_version
    from serving.sql import EDITIONS, open_edition

    current = current_version(settings)
    if current is None:
        yield Finding("published", "note", "nothing yet", "run `warehouse run`")
        return
    for edition in EDITIONS:
        try:
            with open_edition(settings, current.path / f"{edition}.duckdb") as con:
                con.execute("select count(*) from duckdb_tables()").fetchone()
        except WarehouseError as error:
            yield Finding(f"published {edition}", "fail", error.message, error.hint)
        else:
            yield Finding(f"published {edition}", "ok", f"{current.name} opens locked down")


def _disk(settings: Settings) -> Iterator[Finding]:
    folder = settings.home
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free / 1e9
    if free < NO_DISK_GB:
        yield Finding(
            "disk", "fail", f"{free:.1f} GB free", "make room: a build writes temporary files"
        )
    elif free < LOW_DISK_GB:
        yield Finding(
            "disk",
            "note",
            f"{free:.1f} GB free",
            f"below {LOW_DISK_GB:g} GB a big refresh may fail",
        )
    else:
        yield Finding("disk", "ok", f"{free:,.0f} GB free")


def _memory(settings: Settings) -> Iterator[Finding]:
    if not re.fullmatch(SIZE, str(settings.memory_limit)):
        yield Finding(
            "memory limit", "fail", "WAREHOUSE_MEMORY_LIMIT is no size", "write it like 4GB"
        )


def _airflow(settings: Settings) -> Iterator[Finding]:
    with socket.socket() as probe:
        probe.settimeout(0.5)
        taken = probe.connect_ex(("127.0.0.1", AIRFLOW_PORT)) == 0
    yield Finding(
        f"port {AIRFLOW_PORT}", "ok",
        "in use (Airflow, or something else)" if taken else "free for Airflow",
    )  # fmt: skip
    yield Finding(
        "telemetry", "ok", "off: dbt, Great Expectations and Airflow are started with it off"
    )
    yield from _own_airflow(settings)


def _own_airflow(settings: Settings) -> Iterator[Finding]:
    try:
        options = own_airflow.find(settings)
    except WarehouseError as error:
        yield Finding("Airflow", _strict(settings), error.message, error.hint)
        return
    if options is None:
        yield Finding(
            "Airflow", "ok", "none of its own here: `warehouse up` and docker compose set it up safely"
        )  # fmt: skip
        return
    for name, is_safe, wrong, hint in (
        (
            "AIRFLOW__CORE__LOAD_EXAMPLES",
            # as Airflow reads a boolean
            options["load_examples"].split("#")[0].strip().lower() not in ("true", "t", "1"),
            "Airflow loads its examples, which anybody may run", "set it to False",
        ),
        (
            "AIRFLOW__API__HOST", options["host"] in LOOPBACK, "Airflow listens beyond this machine",
            "set it to 127.0.0.1, and let a proxy with TLS, or `api-server --host`, say who else may come",
        ),
        (
            "AIRFLOW__CORE__AUTH_MANAGER",
            bool(options["auth_manager"]) and not options["auth_manager"].endswith("SimpleAuthManager"),
            "Airflow has no accounts, SimpleAuthManager is made for trying it out",
            "set it to airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager, or another with accounts",
        ),
        (
            "AIRFLOW__CORE__FERNET_KEY", bool(options["fernet_key"]),
            "not set: passwords of Airflow's connections are stored as they are",
            'make one with `python -c "from cryptography.fernet import Fernet as F; print(F.generate_key().decode())"`',
        ),
    ):  # fmt: skip
        if is_safe:
            yield Finding(name, "ok", "set safely")
        else:
            yield Finding(name, _strict(settings), wrong, hint)
