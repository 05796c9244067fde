"""Tell people that something failed: a row in the alert log, and a post to a webhook where one is set.

Writes: `ops.duckdb`, table `ops.alert_log`.
"""

from __future__ import annotations

import logging

import requests

from warehouse import clock, duck
from warehouse.locks import hold
from warehouse.settings import Settings

log = logging.getLogger(__name__)

WEBHOOK_SECONDS = 10


def task_failed(settings: Settings, *, dag: str, task: str, run: str, error: str) -> None:
    """Record that an Airflow task failed for good, and post it.

    Args:
        settings: Where the log is, and the webhook.
        dag: The DAG's id.
        task: The task's id.
        run: The run's id.
        error: The error's text.
    """
    message = f"{dag}.{task} failed in {run}: {error}".strip()
    with hold(settings.ops_db, what="alert log", timeout=settings.lock_timeout):
        con = duck.connect(settings.ops_db)
        try:
            con.execute(
                "create table if not exists ops.alert_log"
                " (fired_at timestamp, rule varchar, severity varchar, subject varchar, message varchar)"
            )
            con.execute(
                "insert into ops.alert_log values (?, 'task_failed', 'error', ?, ?)",
                [clock.now(settings).replace(tzinfo=None), f"{dag}.{task}", message],
            )
        finally:
            con.close()
    if settings.alert_webhook_url:
        try:
            requests.post(
                settings.alert_webhook_url, json={"text": message}, timeout=WEBHOOK_SECONDS
            ).raise_for_status()
        except requests.RequestException as failure:
            # the log has it; an alert that can't be delivered must not hide the failure itself
            log.warning("the alert could not be posted: %s", type(failure).__name__)
