"""Subscription schedules: phases that are planned ahead, each with its price and seats.

A schedule that begins later has no subscription yet; each phase's start is told by
`subscription_schedule.updated` (its `current_phase`) and by the subscription's own event. After the
last phase the subscription goes on by itself (`release`) or ends (`cancel`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.billing import changes, shapes, subscriptions
from sandbox.billing.calendar import DAY, add_intervals
from sandbox.billing.shapes import Object
from sandbox.billing.state import Customer, Subscription

Params = Mapping[str, Any]
_EXPIRING_DAYS = 7


@dataclass
class Schedule:
    """A schedule and what its phases were asked to be."""

    obj: Object
    key: str
    phases: list[Params]

    @property
    def is_over(self) -> bool:
        """Whether no phase can begin any more."""
        return self.obj["status"] in {"released", "completed", "canceled"}


def begin(customer: Customer, at: int, params: Params) -> None:
    """Plan a subscription's phases ahead.

    Params: key, phases [{price, quantity, months, coupon? (first phase only)}], starts_in_days
    (default 0), end_behavior (release or cancel), proration (of what changes within a period).
    """
    if customer.is_deleted:
        return
    start = at + int(params.get("starts_in_days", 0)) * DAY
    schedule = Schedule(
        shapes.subscription_schedule(
            customer.new_id("sub_sched"),
            customer.id,
            at,
            livemode=customer.account.livemode,
            end_behavior=params.get("end_behavior", "release"),
        ),
        params.get("key", "main"),
        list(params["phases"]),
    )
    obj = customer.keep(schedule.obj)
    months = 0
    for wanted in schedule.phases:
        # Counted from the first phase's start, as periods are from their anchor.
        phase_start = add_intervals(start, "month", months)
        months += int(wanted["months"])
        item = {
            "billing_thresholds": None,
            "discounts": [],
            "metadata": {},
            "plan": customer.catalogue.price_ids[wanted["price"]],
            "price": customer.catalogue.price_ids[wanted["price"]],
            "quantity": int(wanted.get("quantity", 1)),
            "tax_rates": [],
        }
        end = add_intervals(start, "month", months)
        obj["phases"].append(
            shapes.phase(phase_start, end, customer.currency, [item], wanted.get("coupon"))
        )
    if start > at:
        customer.emit("subscription_schedule.created", obj, at)
    # Ahead of the subscription's own clock: a phase that starts with a period is billed by it.
    for number, phase in enumerate(obj["phases"]):
        if number or start > at:
            customer.at(phase["start_date"], _enter, schedule, number, params.get("proration"))
    end = obj["phases"][-1]["end_date"]
    customer.at(end - _EXPIRING_DAYS * DAY, _expire, schedule)
    customer.at(end, _finish, schedule)
    if start == at:
        _start(customer, at, schedule)
        customer.emit("subscription_schedule.created", obj, at)


def _start(customer: Customer, at: int, schedule: Schedule) -> None:
    """Begin the subscription with the first phase."""
    first = schedule.phases[0]
    obj = schedule.obj
    subscriptions.subscribe(
        customer,
        at,
        {
            "key": schedule.key,
            "items": [{"price": first["price"], "quantity": first.get("quantity", 1)}],
            "coupon": first.get("coupon"),
            "schedule": obj["id"],
        },
    )
    obj.update(
        status="active",
        subscription=_subscription(customer, schedule).obj["id"],
        current_phase=_bounds(obj["phases"][0]),
    )


def _subscription(customer: Customer, schedule: Schedule) -> Subscription:
    return customer.subscriptions[schedule.key]


def _bounds(phase: Object) -> Object:
    return {"end_date": phase["end_date"], "start_date": phase["start_date"]}


def _enter(
    customer: Customer, at: int, schedule: Schedule, number: int, proration: str | None
) -> None:
    """Begin a phase."""
    if schedule.is_over or customer.is_deleted:
        return
    obj = schedule.obj
    previous: Object = {"current_phase": obj["current_phase"]}
    if number == 0:
        previous |= {"status": obj["status"], "subscription": None}
        _start(customer, at, schedule)
    else:
        before, after = schedule.phases[number - 1], schedule.phases[number]
        changes.change_price(
            customer,
            at,
            {
                "key": schedule.key,
                "from": before["price"],
                "to": after["price"],
                "quantity": after.get("quantity", 1),
                "proration": proration,
            },
        )
        obj["current_phase"] = _bounds(obj["phases"][number])
    customer.emit("subscription_schedule.updated", obj, at, previous)


def _expire(customer: Customer, at: int, schedule: Schedule) -> None:
    """Say that the last phase is about to end."""
    if not schedule.is_over and not customer.is_deleted:
        customer.emit("subscription_schedule.expiring", schedule.obj, at)


def _finish(customer: Customer, at: int, schedule: Schedule) -> None:
    """End of the last phase: let the subscription go on by itself, or end it."""
    obj = schedule.obj
    if schedule.is_over or customer.is_deleted:
        return
    subscription = _subscription(customer, schedule)
    if subscription.is_over:
        return
    if obj["end_behavior"] == "cancel":
        subscriptions.end(customer, at, subscription, reason=None)
        customer.change(
            "subscription_schedule.completed",
            obj,
            at,
            status="completed",
            completed_at=at,
            current_phase=None,
        )
        return
    customer.change(subscriptions.UPDATED, subscription.obj, at, schedule=None)
    customer.change(
        "subscription_schedule.released",
        obj,
        at,
        status="released",
        released_at=at,
        released_subscription=obj["subscription"],
        subscription=None,
        current_phase=None,
    )


def drop(customer: Customer, at: int, subscription: Subscription) -> None:
    """End the schedule of a subscription that ends before its last phase does."""
    obj = customer.objects.get(("subscription_schedule", subscription.obj["schedule"] or ""))
    if obj is not None and obj["status"] == "active" and obj["phases"][-1]["end_date"] > at:
        customer.change(
            "subscription_schedule.canceled",
            obj,
            at,
            status="canceled",
            canceled_at=at,
            current_phase=None,
        )
