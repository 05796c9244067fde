"""The product database source: every table a stream, read in one snapshot.

Reads: any database that SQLAlchemy knows (PostgreSQL and SQLite are tested).
Writes: Airbyte messages on stdout.
Run: `python -m ingestion.sources.product read --config F --catalog F [--state F]`
"""

from __future__ import annotations

import logging
import re
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import sqlalchemy as sa
from airbyte_cdk.utils.airbyte_secrets_utils import update_secrets
from sqlalchemy.engine import URL, make_url

from ingestion.sources.product.table import CURSORS, TableFeed
from ingestion.sources.protocol import Feed, FeedSource, Span, config_error, transient_error

logger = logging.getLogger("airbyte.product")

#: Names that may reach SQL.
IDENTIFIER = re.compile(r"^[a-z_][a-z0-9_]{0,62}$")


class ProductSource(FeedSource):
    """The product's tables."""

    folder = Path(__file__).parent
    title = "The product database"

    def __init__(self) -> None:
        self._engine: sa.Engine | None = None
        self._connection: sa.Connection | None = None

    def feeds(self, config: Mapping[str, Any]) -> list[Feed]:
        """The wanted tables as they are now, all behind one connection and one snapshot."""
        span = Span.of(config)
        connection = self._connect(config)
        inspector = sa.inspect(connection)
        schema = config.get("schema") or None
        there = {*inspector.get_table_names(schema), *inspector.get_view_names(schema)}
        wanted = config.get("tables")
        names = list(wanted) if wanted is not None else [name for name in CURSORS if name in there]
        for name in sorted(there - set(names)) if wanted is None else ():
            if IDENTIFIER.match(name) is None:
                logger.info("The table %r is not offered: its name is not plain lower case", name)
        feeds: list[Feed] = []
        for name in names:
            checked_name(name, "table")
            if name not in there:
                has = ", ".join(sorted(there)) or "none"
                raise config_error(f"{self.title} has no table {name!r}: it has {has}")
            columns = inspector.get_columns(name, schema)
            for column in columns:
                checked_name(column["name"], f"column of {name}")
            key = inspector.get_pk_constraint(name, schema)["constrained_columns"]
            feeds.append(
                TableFeed(
                    name,
                    connection,
                    {column["name"]: column for column in columns},
                    key,
                    span,
                    schema=schema,
                    overlap=config.get("overlap_seconds", 300),
                )
            )
        if not feeds:
            raise config_error(
                f"{self.title} has none of the tables {', '.join(CURSORS)}: name yours in `tables`, "
                "or make views with these names"
            )
        return feeds

    def probe(self, config: Mapping[str, Any]) -> str:
        """Connect, reflect, and read a row of each table."""
        feeds = self.feeds(config)
        for feed in feeds:
            feed.touch()
        names = [feed.name for feed in feeds]
        missing = [] if config.get("tables") else [name for name in CURSORS if name not in names]
        lacking = f"; without {', '.join(missing)}" if missing else ""
        return f"{self.title} answers: {len(names)} tables ({', '.join(names)}){lacking}"

    def close(self) -> None:
        """End the snapshot and the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if self._engine is not None:
            self._engine.dispose()
            self._engine = None

    def _connect(self, config: Mapping[str, Any]) -> sa.Connection:
        self.close()
        url = checked_url(config["url"])
        if url.password:
            update_secrets([config["url"], str(url.password)])
        try:
            self._engine = engine_of(url)
            self._connection = self._engine.connect()
            if url.get_backend_name() == "sqlite":
                # Python's driver begins no transaction for a SELECT, and each would see another state.
                self._connection.exec_driver_sql("begin")
            self._connection.execute(sa.text("select 1"))
        except (sa.exc.OperationalError, sa.exc.DBAPIError, sqlite3.Error) as error:
            raise transient_error(
                f"Cannot open {url.render_as_string(hide_password=True)}: {first_line(error)}"
            ) from None
        except (sa.exc.NoSuchModuleError, ModuleNotFoundError) as error:
            raise config_error(f"No driver for {url.drivername}: {error}") from None
        return self._connection


def checked_url(text: str) -> URL:
    """The URL, parsed.

    Raises:
        AirbyteTracedException: it is none, or names an SQLite file that is not there.
    """
    try:
        url = make_url(text)
    except sa.exc.ArgumentError:
        # The text may hold a password: it is not repeated.
        raise config_error("PRODUCT_DB_URL is no SQLAlchemy URL (dialect://…)") from None
    if url.get_backend_name() == "sqlite":
        if not url.database or url.database == ":memory:":
            raise config_error("PRODUCT_DB_URL must name an SQLite file")
        if not Path(url.database).is_file():
            raise config_error(f"There is no SQLite file {url.database}")
    # SQLAlchemy takes psycopg2 for a bare postgresql://; version 3 is what is installed.
    if url.drivername in ("postgresql", "postgres"):
        url = url.set(drivername="postgresql+psycopg")
    return url


def engine_of(url: URL) -> sa.Engine:
    """An engine whose one transaction sees one state of the database and cannot write."""
    backend = url.get_backend_name()
    if backend == "sqlite":
        path = f"file:{quote(str(Path(url.database).absolute()))}?mode=ro"

        def open_file() -> sqlite3.Connection:
            connection = sqlite3.connect(path, uri=True, timeout=30, isolation_level=None)
            connection.execute("pragma query_only = on")
            return connection

        return sa.create_engine("sqlite://", creator=open_file, poolclass=sa.pool.NullPool)
    if backend == "postgresql":
        engine = sa.create_engine(
            url,
            isolation_level="REPEATABLE READ",
            execution_options={"postgresql_readonly": True},
            poolclass=sa.pool.NullPool,
            connect_args={"connect_timeout": 20} if "connect_timeout" not in url.query else {},
        )
        if engine.dialect.driver == "psycopg":
            sa.event.listen(engine, "connect", _keep_infinite_stamps)
        return engine
    return sa.create_engine(url, isolation_level="REPEATABLE READ", poolclass=sa.pool.NullPool)


def _keep_infinite_stamps(connection: Any, _record: Any) -> None:
    """Let stamps that Python has no value for (infinity, year 10000) through as text."""
    from psycopg.types.datetime import DateLoader, TimestampLoader, TimestamptzLoader

    for name, loader in (
        ("date", DateLoader),
        ("timestamp", TimestampLoader),
        ("timestamptz", TimestamptzLoader),
    ):
        connection.adapters.register_loader(name, _text_if_refused(loader))
    connection.execute("set timezone = 'UTC'")
    connection.commit()


def _text_if_refused(loader: Any) -> Any:
    class TextIfRefused(loader):  # type: ignore[misc]
        """psycopg's loader, which gives the text where it would raise."""

        def load(self, data: Any) -> Any:
            """The value, or the database's own text for it."""
            try:
                return super().load(data)
            except Exception:  # noqa: BLE001 - psycopg raises its own DataError, and ValueError
                return bytes(data).decode()

    return TextIfRefused


def checked_name(name: str, what: str) -> str:
    """The name, if it may reach SQL.

    Raises:
        AirbyteTracedException: it may not.
    """
    if not isinstance(name, str) or IDENTIFIER.match(name) is None:
        raise config_error(
            f"The name {name!r} ({what}) is refused: only a-z, 0-9 and _ are read, at most 63 of "
            "them; make a view with plain names"
        )
    return name


def first_line(error: BaseException) -> str:
    """What the driver said, in one line."""
    cause = getattr(error, "orig", None) or error
    lines = str(cause).strip().splitlines()
    return lines[0] if lines else type(cause).__name__
