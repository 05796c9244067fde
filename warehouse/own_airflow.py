"""An Airflow of one's own on this machine: what its variables and its airflow.cfg make of it.

Doesn't import Airflow. `warehouse up` is no such Airflow: it sets what is safe itself (`warehouse.orchestrator`).

Reads: Airflow's variables, `airflow.cfg` in its home. Writes: nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from configparser import ConfigParser, Error
from pathlib import Path

from warehouse.errors import WarehouseError
from warehouse.settings import PROJECT_ROOT, Settings, airflow_environment

SECTION_OF = {
    "dags_folder": "core",
    "load_examples": "core",
    "auth_manager": "core",
    "fernet_key": "core",
    "host": "api",
}
# what Airflow 3 takes where nothing is said
DEFAULTS = {
    "load_examples": "True",
    "auth_manager": "airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager",
    "host": "0.0.0.0",  # noqa: S104 - Airflow's own
}
# a secret may also be named by a command or by its place in a secrets backend
ELSEWHERE = ("", "_cmd", "_secret")


def find(settings: Settings) -> dict[str, str] | None:
    """What the Airflow that is set up here beside `warehouse up` would have for its options; None without one.

    It is one if a variable says anything of it, or if the `airflow.cfg` in the usual place runs our DAGs: what an
    Airflow of other projects is set to is none of our business.

    Raises:
        WarehouseError: Its `airflow.cfg` can't be read.
    """
    variables = airflow_environment()
    home = Path(variables.get("AIRFLOW_HOME", "~/airflow")).expanduser()
    path = Path(variables.get("AIRFLOW_CONFIG", home / "airflow.cfg")).expanduser()
    written = ConfigParser(interpolation=None, strict=False)
    try:
        written.read(path, encoding="utf-8")
    except (Error, OSError, ValueError) as error:
        raise WarehouseError(
            f"can't read {path}: {type(error).__name__}", "Airflow can't read it either: mend it"
        ) from None
    options = {name: _option(name, variables, written) for name in SECTION_OF}
    is_set = any(name.startswith("AIRFLOW__") for name in variables)
    is_named = {"AIRFLOW_HOME", "AIRFLOW_CONFIG"} & variables.keys()
    if is_set or (is_named and home.resolve() != settings.home / "airflow"):
        return options
    dags = Path(options["dags_folder"] or home / "dags").expanduser().resolve()
    return options if dags == PROJECT_ROOT / "dags" else None


def _option(name: str, variables: Mapping[str, str], written: ConfigParser) -> str:
    section = SECTION_OF[name]
    for suffix in ELSEWHERE if name == "fernet_key" else ("",):
        key = f"{name}{suffix}"
        variable = f"AIRFLOW__{section}__{key}".upper()
        if variable in variables:
            return variables[variable].strip()
        if written.has_option(section, key):
            return written.get(section, key).strip()
    return DEFAULTS.get(name, "")
