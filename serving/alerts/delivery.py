"""Send what waits: every message that has not reached its channel, the oldest first.

Reads and writes: `ops.duckdb`, table alert_deliveries.
Run: at the end of each evaluation, and when a task has failed.
"""

from __future__ import annotations

from collections.abc import Iterable

from serving.alerts import channels, log
from serving.alerts.log import Waiting
from warehouse import clock
from warehouse.ledger import naive
from warehouse.settings import Settings


def deliver(settings: Settings, waiting: Iterable[Waiting]) -> tuple[int, list[str]]:
    """Send every message that waits.

    Args:
        settings: Whose channels; what waits for one that is not set up goes on waiting.
        waiting: The messages, from `log.waiting`.

    Returns:
        How many arrived, and one line for each that did not. A channel that refused one is not asked again this time:
        its messages stay in order.
    """
    delivered, failed, left = 0, {}, []
    for item in waiting:
        if not channels.is_on(settings, item.channel):
            continue
        error = failed.get(item.channel)
        if error is None:
            try:
                channels.send(settings, item.channel, item.title, item.body, item.entry)
                delivered += 1
            except channels.Undelivered as refused:
                error = refused.message
                # one recipient's wrong address keeps no later message from the others
                if not isinstance(refused, channels.PartlyDelivered):
                    failed[item.channel] = error
            with log.opened(settings) as con:
                log.note_delivery(con, item, naive(clock.now(settings)), error)
        if error is not None:
            left.append(f"{item.title} ({error})")
    return delivered, left
