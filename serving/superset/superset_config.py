"""Superset on this machine alone, without telemetry.

Reads: SUPERSET_SECRET_KEY and SUPERSET_HOME, as Superset itself does. Run: `serving/superset/up.sh`.
"""

from __future__ import annotations

import duckdb

APP_NAME = "Warehouse"
# Its pages carry a picture by which their maker counts them, and no setting takes it out: browsers are told to load
# nothing from any other host.
TALISMAN_ENABLED = True
TALISMAN_CONFIG = {
    "content_security_policy": {
        "base-uri": ["'self'"],
        "default-src": ["'self'"],
        "connect-src": ["'self'"],
        "font-src": ["'self'"],
        "img-src": ["'self'", "blob:", "data:"],
        "worker-src": ["'self'", "blob:"],
        "object-src": "'none'",
        "style-src": ["'self'", "'unsafe-inline'"],
        "script-src": ["'self'", "'strict-dynamic'"],
    },
    "content_security_policy_nonce_in": ["script-src"],
    # it listens on this machine alone
    "force_https": False,
    "session_cookie_secure": False,
}

# answers are small: kept in the server's memory, a version's for five minutes at most
_CACHE = {
    "CACHE_TYPE": "SimpleCache",
    "CACHE_DEFAULT_TIMEOUT": 300,
    "CACHE_KEY_PREFIX": "warehouse_",
}
CACHE_CONFIG = _CACHE
DATA_CACHE_CONFIG = _CACHE
FILTER_STATE_CACHE_CONFIG = _CACHE
EXPLORE_FORM_DATA_CACHE_CONFIG = _CACHE

ROW_LIMIT = 10_000
SQL_MAX_ROW = 100_000
SQLLAB_TIMEOUT = 60
SUPERSET_WEBSERVER_TIMEOUT = 60


def SQL_QUERY_MUTATOR(sql: str, **_: object) -> str:  # noqa: N802 - Superset looks for this name
    """Let nothing through but selects: DuckDB would let `copy … to` write `<file>.wal` beside the edition."""
    if any(one.type != duckdb.StatementType.SELECT for one in duckdb.extract_statements(sql)):
        raise ValueError("only select is allowed here: the edition is read-only")
    return sql
