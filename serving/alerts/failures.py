"""A failed task of Airflow: a row in the alert log, and a message where a channel is set up.

Writes: `ops.duckdb`, tables alert_log and alert_deliveries.
Run: by the DAGs' failure callback.
"""

from __future__ import annotations

import logging
from dataclasses import replace

from serving.alerts import channels, log
from serving.alerts.delivery import deliver
from serving.alerts.log import Entry
from serving.alerts.rules import FAILED_TASK
from warehouse import clock, locks
from warehouse.errors import LockTimeout
from warehouse.ledger import naive
from warehouse.settings import Settings

logger = logging.getLogger(__name__)

#: Where failed tasks go: to engineers, not to those on call.
CHANNELS = ("slack", "webhook")
OWNER = "data-engineering"


def task_failed(settings: Settings, *, dag: str, task: str, run: str, error: str) -> None:
    """Record that an Airflow task failed for good, and tell it.

    Args:
        settings: Where the log is, and the channels.
        dag: The DAG's id.
        task: The task's id.
        run: The run's id.
        error: The error's text.
    """
    subject = f"{dag}.{task}"
    message = f"{subject} failed in {run}: {error}".strip()
    set_up = [channel for channel in CHANNELS if channels.is_on(settings, channel)]
    entry = replace(
        _entry(settings, FAILED_TASK, "error", subject, message, period=run),
        is_delivered=False if set_up else None,
    )
    body = f"{message}\nIts log is in Airflow; what to do: docs/runbook.md"
    with log.opened(settings) as con:
        log.write(con, [entry], [(entry, channel, message, body) for channel in set_up])
    for line in _deliver(settings):
        # the log has it; an alert that can't be delivered must not hide the failure itself
        logger.warning("the alert waits: %s", line)


def _deliver(settings: Settings) -> list[str]:
    """Send what waits, one process after the other: two at once would send each other's messages again."""
    try:
        with locks.hold(settings.home / "alerts", what="alerts", timeout=settings.lock_timeout):
            with log.opened(settings) as con:
                waiting = log.waiting(con)
            return deliver(settings, waiting)[1]
    except LockTimeout as error:
        return [error.message]


def trial_entry(settings: Settings) -> Entry:
    """A row, written nowhere, for a message that tries a channel."""
    return _entry(
        settings, "test", "info", "", "A test message of the warehouse's alerts", period=""
    )


def _entry(
    settings: Settings, rule: str, severity: str, subject: str, message: str, *, period: str
) -> Entry:
    """A row about something that was no judgement of a metric."""
    now = naive(clock.now(settings))
    return Entry(
        fired_at=now, rule=rule, severity=severity, subject=subject, message=message, id=log.new_id(), evaluated_at=now,
        owner=OWNER, incident=rule, period=period, state="firing", told="fired", is_told=True,
    )  # fmt: skip
