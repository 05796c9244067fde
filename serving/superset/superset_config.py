"""Superset on this machine alone, without telemetry.

Reads: SUPERSET_SECRET_KEY and SUPERSET_HOME, as Superset itself does. Run: `serving/superset/up.sh`.
"""

from __future__ import annotations

APP_NAME = "Warehouse"
# nothing is counted, no other host is asked for a picture or a font
SCARF_ANALYTICS = False
WELCOME_PAGE_LAST_TAB = "all"
FEATURE_FLAGS = {"EMBEDDED_SUPERSET": False, "ALERT_REPORTS": False}

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
WTF_CSRF_ENABLED = True
SESSION_COOKIE_SAMESITE = "Lax"
