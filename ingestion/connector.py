"""Start a connector's process and talk to it: spec, check, discover, read. Any executable, module or docker image.

Secrets travel in a file of mode 600 that lives as long as the process, never in arguments; the
child's environment holds what a process needs and none of our settings; what it logs is passed on
with every secret masked.

Reads: the connector's stdout and stderr. Writes: `spool/` (config, catalog, state). Run: imported
by the runner.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import re
import select
import shlex
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ingestion import spool
from ingestion.destination.lines import Lines
from ingestion.destination.messages import Splitter, error_text, part
from warehouse.errors import CallError, WarehouseError
from warehouse.settings import PROJECT_ROOT, Settings, child_environment
from warehouse.sources import SourceSpec

log = logging.getLogger(__name__)

_PIPE_BYTES = 1 << 20
_GATHER_SECONDS = 0.05  # lines are looked at together that come within so much time
_F_SETPIPE_SZ = 1031  # Linux; elsewhere the pipe stays small
_NEEDED = (
    "PATH", "HOME", "USER", "LANG", "TZ", "TMPDIR", "TEMP", "VIRTUAL_ENV", "SYSTEMROOT",
    "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "LD_LIBRARY_PATH", "DOCKER_HOST",
    "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy",
)  # fmt: skip
# of names written_so; "pat" would be in path, "pass" in passenger
_SECRET_NAME = re.compile(
    "key|token|secret|password|passwd|passphrase|pwd|credential|url|dsn|private|bearer|authorization"
    "|connection_?string|(pass|auth)(_|$)|(^|_)pat(_|$)"
)
_LEAST_SECRET = 4  # characters …
_LEAST_LINE = 8  # … and of one line of a secret of several: shorter ones stand in any text


@dataclass
class Connector:
    """How a connector is started.

    Attributes:
        command: Program and first arguments.
        title: What errors call it.
        config: Its configuration.
        secrets: Texts that no log may show.
        secret_names: What its specification calls secret, beside what sounds so.
        is_ours: One of the project's own modules.
        config_file: Where its configuration is kept, if a connector that changes it is to find it changed.
        window: `window_from` and `window_to` of a backfill, which it is told beside its configuration.
    """

    command: tuple[str, ...]
    title: str
    config: dict[str, Any]
    secrets: tuple[str, ...] = ()
    secret_names: frozenset[str] = frozenset()
    is_ours: bool = False
    config_file: Path | None = None
    window: dict[str, str] = field(default_factory=dict)


def of_source(spec: SourceSpec, settings: Settings) -> Connector:
    """The connector of one of our sources, configured from the settings."""
    config = spec.config(settings)
    return Connector(
        (sys.executable, "-m", spec.connector),
        spec.title,
        config,
        tuple(_texts([config.get(name) for name in spec.secrets])),
        is_ours=True,
    )


def of_command(
    command: str, config: dict[str, Any], name: str, config_file: Path | None = None
) -> Connector:
    """Any other connector: an executable, `python -m module`, or `docker run … image`."""
    try:
        parts = tuple(shlex.split(command))
    except ValueError as error:
        raise CallError(
            f"the connector's command is no command line: {error}", "close its quotes"
        ) from None
    if not parts:
        raise CallError("the connector's command is empty", "such as --exec 'source-faker'")
    return Connector(parts, name, config, _secrets(config), config_file=config_file)


def _secrets(config: dict[str, Any], named: frozenset[str] = frozenset()) -> tuple[str, ...]:
    """What stands in a configuration under a name like key, token or password, or under another that is known."""
    values = [value for name, value in _walk(config) if name in named or _is_secret(name)]
    return tuple(_texts(values))


def _is_secret(name: str) -> bool:
    parted = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()  # apiPass
    return bool(_SECRET_NAME.search(re.sub(r"[^a-z0-9]+", "_", parted)))


def _walk(config: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Names and values; also those of a JSON text, such as the key file of a service account."""
    if isinstance(config, dict):
        for name, value in config.items():
            yield from _walk(value, name)
    elif isinstance(config, list):
        for value in config:
            yield from _walk(value, key)
    else:
        yield key, config
        if isinstance(config, str) and config.lstrip().startswith("{"):
            with suppress(ValueError, RecursionError):
                yield from _walk(json.loads(config), key)


def _texts(values: list[Any]) -> list[str]:
    """The texts to mask, longest first; of an address also its password, of several lines also each of them."""
    found = set()
    for text in (str(v) for v in values if v is not None and not isinstance(v, bool)):
        if len(text) >= _LEAST_SECRET:
            found.add(text)
        if "://" in text:
            with suppress(ValueError):
                found.add(urlsplit(text).password)
        lines = [line.strip() for line in re.split(r"\r?\n|\\n", text)]
        if len(lines) > 1:
            found.update(line for line in lines if len(line) >= _LEAST_LINE)
    found -= {None, ""}
    found |= {json.dumps(text)[1:-1] for text in found}  # as it stands in JSON
    return sorted(found, key=len, reverse=True)


def _secret_names(schema: Any) -> Iterator[str]:
    """Properties that a JSON schema calls secret, at any depth."""
    if isinstance(schema, dict):
        for name, about in part(schema, "properties").items():
            if isinstance(about, dict) and about.get("airbyte_secret"):
                yield name
    inner = schema.values() if isinstance(schema, dict) else schema
    for value in inner if isinstance(schema, dict | list) else ():
        yield from _secret_names(value)


def mask(text: str, secrets: tuple[str, ...]) -> str:
    """The text with every secret replaced by ***."""
    for secret in secrets:
        text = text.replace(secret, "***")
    return text


@dataclass
class Process:
    """A running connector."""

    popen: subprocess.Popen[bytes]
    connector: Connector
    last_words: deque[str] = field(default_factory=lambda: deque(maxlen=20))

    def output(self) -> Iterator[Lines | dict[str, Any]]:
        """Runs of record lines and other messages (dicts), as they come."""
        splitter = Splitter()
        assert self.popen.stdout is not None
        while _fill(splitter, self.popen.stdout.fileno()):
            yield from splitter.messages()
        yield from splitter.end()

    def wait(self) -> int:
        """Exit code of the process, which has closed its stdout."""
        return self.popen.wait()

    def listen(self) -> None:
        """Pass on what it says on stderr, masked."""
        assert self.popen.stderr is not None
        for line in self.popen.stderr:
            text = mask(line.decode("utf-8", "replace").rstrip(), self.connector.secrets)
            if text:
                self.last_words.append(text)
                log.info("%s: %s", self.connector.title, text)


def _fill(splitter: Splitter, descriptor: int) -> bool:
    """Read what comes, some more where it comes fast; False if nothing comes any more."""
    until = None
    while not splitter.is_full:
        count = os.readv(descriptor, [splitter.room])
        if not count:
            return False
        splitter.filled(count)
        now = time.monotonic()
        until = until or now + _GATHER_SECONDS
        if not select.select([descriptor], [], [], max(until - now, 0))[0]:
            break
    return True


@contextmanager
def started(
    connector: Connector,
    verb: str,
    settings: Settings,
    *,
    catalog: dict[str, Any] | None = None,
    state: Any = None,
) -> Iterator[Process]:
    """Run a connector's command for the length of a `with` block; it is killed, by its pid, if the block fails.

    Args:
        connector: What to start.
        verb: `spec`, `check`, `discover` or `read`.
        settings: Where the spool is.
        catalog: Configured catalog, for `read`.
        state: State, for `read`.

    Raises:
        CallError: The program does not exist.
    """
    with spool.folder("connector", settings) as folder:
        arguments = [verb]
        if verb != "spec":
            arguments += [
                "--config",
                _file(folder, "config.json", connector.config | connector.window),
            ]
        if catalog is not None:
            arguments += ["--catalog", _file(folder, "catalog.json", catalog)]
        if state:
            arguments += ["--state", _file(folder, "state.json", state)]
        process = _start(connector, arguments, folder, settings)
        ear = threading.Thread(target=process.listen, daemon=True)
        ear.start()
        try:
            yield process
        finally:
            _stop(process.popen)
            ear.join(timeout=5)


def _file(folder: Path, name: str, content: Any) -> str:
    path = folder / name
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(content, file)
    return str(path)


def _start(connector: Connector, arguments: list[str], folder: Path, settings: Settings) -> Process:
    command = list(connector.command)
    if Path(command[0]).name in ("docker", "podman") and "run" in command:
        at = command.index("run") + 1
        command[at:at] = ["-v", f"{folder}:{folder}:ro"]
    environment = {
        name: value
        for name, value in child_environment(settings).items()
        if name in _NEEDED or name.startswith("LC_")
    } | {"PYTHONIOENCODING": "utf-8", "AIRBYTE_TELEMETRY_DISABLED": "1", "DO_NOT_TRACK": "1"}
    if connector.is_ours:
        environment["PYTHONPATH"] = str(PROJECT_ROOT)
    try:
        popen = subprocess.Popen(
            [*command, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env=environment, bufsize=0,
        )  # fmt: skip
    except (FileNotFoundError, PermissionError) as error:
        raise CallError(
            f"can't start {command[0]}: {error.strerror}", "install the connector, or give its path"
        ) from error
    assert popen.stdout is not None
    try:
        fcntl.fcntl(popen.stdout.fileno(), _F_SETPIPE_SZ, _PIPE_BYTES)
    except OSError:
        log.debug("the pipe keeps its size")
    return Process(popen, connector)


def _stop(popen: subprocess.Popen[bytes]) -> None:
    """End the child, if it still runs: politely, then by force."""
    if popen.poll() is None:
        popen.terminate()
        try:
            popen.wait(timeout=5)
        except subprocess.TimeoutExpired:
            popen.kill()
            popen.wait()
    for stream in (popen.stdout, popen.stderr):
        if stream and stream is popen.stdout:
            stream.close()


def ask(connector: Connector, verb: str, settings: Settings) -> dict[str, Any]:
    """Answer of `spec`, `check` or `discover`: the message's content.

    Raises:
        WarehouseError: The connector failed, with its own words.
    """
    kind = {"spec": "spec", "check": "connectionStatus", "discover": "catalog"}[verb]
    answer: dict[str, Any] | None = None
    complaint = ""
    with started(connector, verb, settings) as process:
        for message in process.output():
            if isinstance(message, Lines):
                continue
            if isinstance(message.get(kind), dict):
                answer = message[kind]
            elif message["type"] == "TRACE" and message["trace"].get("type") == "ERROR":
                complaint = error_text(message)
            elif message["type"] == "CONTROL":
                take_config(message, connector)
            else:
                pass_on(message, connector)
        code = process.wait()
    if answer is None:
        words = complaint or (process.last_words[-1] if process.last_words else "no answer")
        raise WarehouseError(
            f"{connector.title}: {verb} failed (exit code {code}): {mask(words, connector.secrets)[:300]}",
            "check its settings with `warehouse doctor`"
            if connector.is_ours
            else f"mend its --config; what it takes says `{' '.join(connector.command)} spec`",
        )
    if verb == "spec":
        connector.secret_names = frozenset(_secret_names(answer.get("connectionSpecification")))
        _take_secrets(connector)
    return answer


def _take_secrets(connector: Connector) -> None:
    """Mask what is secret in its configuration now, beside what was so before."""
    found = {*_secrets(connector.config, connector.secret_names), *connector.secrets}
    connector.secrets = tuple(sorted(found, key=len, reverse=True))


def take_config(message: dict[str, Any], connector: Connector) -> None:
    """Take over the configuration that a CONTROL message asks to keep, such as a token that is good for one use.

    It is what the connector is started with from now on, and takes the place of the old one in its file.
    """
    control = part(message, "control")
    config = part(control, "connectorConfig").get("config")
    if control.get("type") != "CONNECTOR_CONFIG" or not isinstance(config, dict):
        return
    connector.config = config = {
        key: value for key, value in config.items() if key not in connector.window
    }
    _take_secrets(connector)
    if connector.config_file:
        fresh = connector.config_file.with_name(f".{connector.config_file.name}.new")
        fresh.touch(mode=0o600)
        fresh.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
        fresh.replace(connector.config_file)


def pass_on(message: dict[str, Any], connector: Connector) -> str:
    """Log a connector's LOG message, of a long one (a traceback) the first line; returns its text, masked."""
    about = part(message, "log")
    text = mask(str(about.get("message", "")), connector.secrets)
    level = {"FATAL": logging.ERROR, "ERROR": logging.WARNING, "WARN": logging.WARNING}.get(
        str(about.get("level", "")), logging.DEBUG
    )
    if text:
        log.log(level, "%s: %s", connector.title, text.splitlines()[0][:1000])
        log.debug("%s: %s", connector.title, text)
    return text
