"""What the DAGs share: defaults, assets, the writer's pool, and how a task calls a stage.

The DAGs say when, never how: each task calls one function of `warehouse.stages`, which the command
line calls too.
Heavy imports wait until a task runs.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Any

from airflow.sdk import Asset
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException

from warehouse.errors import CallError, GateOutdated, GateRefused, NothingToDo, WarehouseError
from warehouse.settings import load_settings

log = logging.getLogger("warehouse")

# one slot: one writer of the warehouse file at a time (made by `warehouse up` and by docker
# compose)
WRITER_POOL = "warehouse_writer"

GOLD = Asset("gold")
ML = Asset("ml")
MODELS = Asset("models")
PUBLISHED = Asset("published")


def raw(source: str) -> Asset:
    """The asset that a sync of a source brings up to date."""
    return Asset(f"raw/{source}")


def tell_failure(context: dict[str, Any]) -> None:
    """Failure callback: write the failure to the alert log, and tell it where a channel is set up."""
    from serving.alerts.failures import task_failed

    instance = context["task_instance"]
    task_failed(
        load_settings(),
        dag=instance.dag_id,
        task=instance.task_id,
        run=str(context["run_id"]),
        error=str(context.get("exception") or ""),
    )


DEFAULTS: dict[str, Any] = {
    "owner": "data-engineering",
    "retries": 2,
    "retry_delay": timedelta(seconds=30),
    "retry_exponential_backoff": True,
    "max_retry_delay": timedelta(minutes=10),
    "execution_timeout": timedelta(hours=2),
    "on_failure_callback": tell_failure,
}

DAG_OPTIONS: dict[str, Any] = {
    "start_date": datetime(2024, 1, 1),  # noqa: DTZ001 - Airflow reads it as UTC
    "catchup": False,
    "max_active_runs": 1,
    "is_paused_upon_creation": False,
    "default_args": DEFAULTS,
}


def run_stage(name: str, *arguments: Any, **options: Any) -> dict[str, Any]:
    """Call one function of `warehouse.stages`; its figures become the task's XCom.

    Raises:
        AirflowSkipException: There was nothing to do.
        AirflowFailException: A gate refused or a setting is wrong: trying again would not help.
        AirflowException: Anything else a person can act on, in one line.
    """
    from warehouse import stages
    from warehouse.home import prepare

    try:
        settings = prepare(load_settings())
        return getattr(stages, name)(settings, *arguments, log.info, **options)
    except NothingToDo as nothing:
        raise AirflowSkipException(nothing.message) from nothing
    except GateOutdated as outdated:
        # a newer build is under way; when it has passed its gates, publishing comes round again
        raise AirflowSkipException(outdated.message) from outdated
    except (GateRefused, CallError) as error:
        raise AirflowFailException(one_line(error)) from error
    except WarehouseError as error:
        raise AirflowException(one_line(error)) from error


def one_line(error: WarehouseError) -> str:
    """What a failed task shows: the error's one line, and what to do."""
    return f"{error.message} → {error.hint}" if error.hint else error.message
