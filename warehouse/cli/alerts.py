"""`warehouse alerts`: what is wrong now, judge again, be quiet about a rule, try the channels."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta

import typer
from rich.markup import escape

from warehouse.cli.app import app, console, settings_for, stderr
from warehouse.errors import CallError, WarehouseError

alerts = typer.Typer(
    help="What is wrong, who is told, and what to do.", invoke_without_command=True
)
app.add_typer(alerts, name="alerts")

_SPAN = re.compile(r"(\d+)([hdw])")
_HOURS = {"h": 1, "d": 24, "w": 168}


@alerts.callback()
def shown(
    context: typer.Context,
    as_json: bool = typer.Option(False, "--json", help="For machines."),
) -> None:
    """List what is wrong now."""
    if context.invoked_subcommand:
        return
    from serving.alerts import log, summary
    from warehouse import clock
    from warehouse.ledger import naive

    settings = settings_for()
    now = naive(clock.now(settings))
    found, waiting = [], 0
    # a look makes no file: where there is none, nothing has been judged yet
    if settings.ops_db.exists():
        with log.opened(settings) as con:
            found = summary.open_entries(log.last_rows(con), now)
            waiting = len(log.waiting(con))
    if as_json:
        typer.echo(json.dumps([log.as_dict(entry) for entry in found], default=str, indent=2))
        return
    if not found:
        console.print("nothing is wrong")
    else:
        for entry in found:
            since = f"{entry.fired_at:%Y-%m-%d %H:%M}"
            console.print(
                f"{since}  {entry.severity:<8}  [bold]{entry.rule}[/]  {entry.state}, for {entry.owner}",
                highlight=False,
            )
            console.print(f"    {escape(entry.message)}", highlight=False)
    if waiting:
        stderr.print(
            f"[yellow]![/] {waiting} messages have not arrived; `warehouse alerts check` tries again"
        )


@alerts.command()
def check() -> None:
    """Judge the published version now, tell what is new, and try again what has not arrived."""
    from serving.alerts.evaluation import evaluate

    report = evaluate(settings_for(prepare=True))
    for title in report.told:
        console.print(escape(title), highlight=False)
    for line in (*report.warnings, *(f"it waits: {line}" for line in report.undelivered)):
        stderr.print(f"[yellow]![/] {escape(line)}", highlight=False)
    console.print(
        f"{report.version}: {report.rules} rules, {report.judged} periods judged, {report.firing} firing, "
        f"{report.delivered} messages delivered",
        highlight=False,
    )
    raise typer.Exit(1 if report.undelivered else 0)


@alerts.command()
def rules() -> None:
    """List the rules, ours and those of alerts.yml in the data folder."""
    from serving.alerts.rules import read_rules
    from serving.alerts.summary import rule_in_words

    for rule in read_rules(settings_for()):
        words = rule_in_words(rule)
        console.print(
            f"[bold]{rule.name}[/]  {rule.severity}, for {rule.owner}, in {words['channels']}",
            highlight=False,
        )
        console.print(
            f"    {escape(words['title'])}: {escape(words['condition'])} ({words['window']})",
            highlight=False,
        )


@alerts.command()
def snooze(
    rule: str = typer.Argument(..., help="Name of the rule."),
    span: str = typer.Option(None, "--for", help="How long: 12h, 2d, 1w."),
    until: str = typer.Option(None, "--until", help="Until when: 2025-07-03, or 2025-07-03T08:00."),
    subject: str = typer.Option("", help="One subject alone, such as a source or a feature."),
    reason: str = typer.Option("", help="Why, for the log."),
    off: bool = typer.Option(False, "--off", help="End it now."),
) -> None:
    """Tell nobody of a rule for a while: it is judged and logged, and told afterwards if it still lasts."""
    from serving.alerts import log, summary
    from serving.alerts.rules import read_rules
    from serving.publish import current_version
    from warehouse import clock
    from warehouse.ledger import naive

    settings = settings_for(prepare=True)
    known = read_rules(settings)
    if rule not in {one.name for one in known}:
        raise CallError(f"no rule '{rule}'", "`warehouse alerts rules` lists them")
    if [bool(span), bool(until), off].count(True) != 1:
        raise CallError("say how long", "one of --for 2d, --until 2025-07-03, --off")
    now = naive(clock.now(settings))
    end = now if off else _end(now, span, until)
    with log.opened(settings) as con:
        log.snooze(con, rule, subject, end, now, reason)
    if (version := current_version(settings)) is not None:
        summary.write(settings, version.path, known)
    said = "is over" if off else f"until {end:%Y-%m-%d %H:%M} UTC"
    console.print(f"snooze of {rule}{f' ({subject})' if subject else ''} {said}", highlight=False)


def _end(now: datetime, span: str | None, until: str | None) -> datetime:
    if span:
        match = _SPAN.fullmatch(span)
        if not match:
            raise CallError(f"--for '{span}' is no span", "such as 12h, 2d or 1w")
        return now + timedelta(hours=int(match[1]) * _HOURS[match[2]])
    try:
        end = datetime.fromisoformat(until or "")
    except ValueError:
        raise CallError(f"--until '{until}' is no instant", "such as 2025-07-03 (UTC)") from None
    end = end.astimezone(UTC).replace(tzinfo=None) if end.tzinfo else end
    if end <= now:
        raise CallError(
            f"--until {until} lies behind now, {now:%Y-%m-%d %H:%M} UTC", "name a later instant"
        )
    return end


@alerts.command(name="test")
def try_channels() -> None:
    """Send a test message to each channel that is set up."""
    from serving.alerts import channels
    from serving.alerts.failures import trial_entry
    from serving.alerts.rules import CHANNELS

    settings = settings_for()
    failed: list[WarehouseError] = []
    for channel in CHANNELS:
        if lacking := channels.missing(settings, channel):
            console.print(f"[dim]·[/] {channel:<8} off: {', '.join(lacking)} not set", highlight=False)  # fmt: skip
            continue
        entry = trial_entry(settings)
        try:
            channels.send(settings, channel, entry.message, f"{entry.message}.\nNothing is wrong.", entry)  # fmt: skip
        except channels.Undelivered as error:
            failed.append(error)
            console.print(f"[red]✗[/] {escape(error.message)}", highlight=False)
        else:
            console.print(f"[green]✓[/] {channel:<8} sent", highlight=False)
    if failed:
        raise failed[0]
