"""The data folder: made with owner-only rights, bound to one mode for good, and the key that pseudonyms need.

Writes: `<home>/mode`, the folders of CONTRACT §2, and in sandbox mode a generated `PSEUDONYM_KEY`
in `./.env`.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from warehouse.errors import CallError
from warehouse.settings import Settings

ENV_FILE = Path(".env")


def prepare(settings: Settings) -> Settings:
    """Make the data folder ready and return settings that are fit to run with.

    Raises:
        CallError: The folder belongs to the other mode, or real mode has no pseudonym key.
    """
    check_mode(settings)
    for folder in (
        settings.home,
        settings.landing_dir,
        settings.published_dir,
        settings.models_dir,
        settings.spool_dir,
        settings.logs_dir,
    ):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    mode_file = settings.home / "mode"
    if not mode_file.exists():
        # whole or not at all: an empty file would bind the folder to no mode
        fresh = settings.home / f".mode-{os.getpid()}"
        fresh.write_text(settings.mode + "\n")
        fresh.chmod(0o600)
        fresh.replace(mode_file)
    return with_pseudonym_key(settings)


def check_mode(settings: Settings) -> None:
    """Refuse a data folder that was first used in the other mode."""
    mode_file = settings.home / "mode"
    if mode_file.exists() and (recorded := mode_file.read_text().strip()) != settings.mode:
        raise CallError(
            f"{settings.home} belongs to mode '{recorded}', but WAREHOUSE_MODE is '{settings.mode}'",
            "set WAREHOUSE_MODE to match, or WAREHOUSE_HOME to another folder; the two never mix",
        )


def with_pseudonym_key(settings: Settings) -> Settings:
    """Settings with a pseudonym key; sandbox mode makes one, real mode insists on yours."""
    if settings.pseudonym_key:
        return settings
    if settings.mode == "real":
        raise CallError(
            "PSEUDONYM_KEY is not set, so no pseudonym could be kept",
            "make one with `openssl rand -hex 32`, keep it outside the data folder, and set it",
        )
    key = secrets.token_hex(32)
    descriptor = os.open(ENV_FILE, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(descriptor, "a") as env_file:
        # somebody's last line may lack its end
        env_file.write(
            f"{_line_end()}# made for the sandbox; in real mode bring your own\nPSEUDONYM_KEY={key}\n"
        )
    ENV_FILE.chmod(0o600)
    return settings.over(pseudonym_key=key)


def _line_end() -> str:
    text = ENV_FILE.read_bytes()
    return "" if not text or text.endswith(b"\n") else "\n"
