"""`weekly_report` and `monthly_report`: written when their period is complete, kept, and sent by e-mail."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import DAG, CronTriggerTimetable, dag, task
from airflow.sdk.exceptions import AirflowException

from common import DAG_OPTIONS, run_stage
from warehouse.errors import WarehouseError
from warehouse.settings import load_settings

if TYPE_CHECKING:
    from serving.reports.delivery import Mail

# Airflow's own: host, login and password are not ours to keep
CONNECTION = "smtp_default"


def report_dag(kind: str, cron: str) -> DAG:
    """The DAG of one report."""

    @dag(
        dag_id=f"{kind}_report",
        schedule=CronTriggerTimetable(cron, timezone="UTC"),
        tags=["reports"],
        doc_md=f"""
### Write the {kind} report and send it

`issue` writes the report of the period that was over last, from the published version, and keeps it in
`reports/{kind}/`. While a source is late the period is not complete: it is tried again every hour, for half a day.
`send` hands it to the mail server of the connection `{CONNECTION}`, a message to each recipient, once; one that fails
is tried again, and each attempt is a row in `ops.report_deliveries`.

**Nobody gets it?** `send` is skipped while {kind.upper()}_REPORT_RECIPIENTS is not set. The connection is made under
Admin → Connections (type SMTP). **To issue a period again**, after a correction:
`warehouse report {kind} --period … --send`.
""",
        **DAG_OPTIONS,
    )
    def report() -> None:
        @task(
            retries=12,
            retry_delay=timedelta(hours=1),
            retry_exponential_backoff=False,
            max_retry_delay=None,
            doc_md="Calls `warehouse.stages.report`.",
        )
        def issue() -> dict[str, Any]:
            return run_stage("report", kind)

        @task(
            retries=5, doc_md="Calls `warehouse.stages.send_report` with Airflow's mail connection."
        )
        def send(issued: dict[str, Any]) -> dict[str, Any]:
            return run_stage("send_report", kind, issued["period"], by_connection)

        send(issue())

    return report()


def by_connection(mail: Mail) -> None:
    """Hand a message to the server of Airflow's connection.

    Raises:
        WarehouseError: There is no such connection, or it can't be used; smtplib's own errors pass.
    """
    from airflow.providers.smtp.hooks.smtp import SmtpHook

    try:
        with SmtpHook(smtp_conn_id=CONNECTION) as hook:
            hook.send_email_smtp(
                to=[mail.recipient],
                from_email=mail.sender,
                subject=mail.subject,
                html_content=mail.html,
                files=[str(path) for path in mail.attachments],
                custom_headers={"Message-ID": mail.message_id},
            )
    except AirflowException as error:
        raise WarehouseError(str(error), f"look at Admin → Connections → {CONNECTION}") from error


settings = load_settings()
weekly_report = report_dag("weekly", settings.weekly_report_schedule)
monthly_report = report_dag("monthly", settings.monthly_report_schedule)
