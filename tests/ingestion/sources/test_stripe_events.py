"""Stripe's later syncs: what the events name, once each, and what has no events by its time."""

from __future__ import annotations

import json

import pytest

T = 1_750_000_000  # 2025-06-15, within 29 days of the tests' now, 2025-07-01


def given_an_account_in_step(stripe, sync):
    for n in range(5):
        thing = stripe.add("customers", T + n, f"cus_{n}")
        stripe.event("customer.created", T + n, thing, f"evt_{n}")
    return sync()


def test_nothing_new_is_nothing_read(stripe, sync):
    first = given_an_account_in_step(stripe, sync)
    second = sync(after=first)
    assert second.code == 0
    assert not second.records
    assert all(statuses == ["STARTED", "COMPLETE"] for statuses in second.statuses.values())
    assert len(stripe.calls) < 8


def test_a_changed_object_is_fetched_once_with_its_expansions(stripe, sync):
    first = given_an_account_in_step(stripe, sync)
    customer = stripe.things["customers"][2]
    for n in range(3):
        stripe.change("customers", "customer.updated", T + 1000 + n, customer, name=f"name {n}")
    second = sync(after=first)
    assert [record["name"] for record in second.records["customers"]] == ["name 2"]
    assert len(second.records["events"]) == 3
    asked = [query for path, query in stripe.calls if path == "/v1/customers/cus_2"]
    assert asked == [{"expand[]": ["discount.source.coupon"]}]


def test_many_new_objects_come_by_list_and_not_one_by_one(stripe, sync):
    first = given_an_account_in_step(stripe, sync)
    for n in range(150):
        thing = stripe.add("invoices", T + 1000 + n, f"in_{n}")
        stripe.event("invoice.created", T + 1000 + n, thing)
        stripe.event("invoice.finalized", T + 1000 + n, thing)
    second = sync(after=first)
    assert sorted(second.ids("invoices")) == sorted(f"in_{n}" for n in range(150))
    assert len(stripe.calls) < 20


def test_events_of_the_cursors_own_second_are_not_lost(stripe, sync):
    # given a first sync whose newest event is of second T+4
    first = given_an_account_in_step(stripe, sync)
    # when another event of that very second shows up, and one a little older
    stripe.change("customers", "customer.updated", T + 4, stripe.things["customers"][0], name="tie")
    stripe.change(
        "customers", "customer.updated", T - 30, stripe.things["customers"][1], name="late"
    )
    second = sync(after=first)
    # then both are read, and those seen before are not read again
    assert {record["name"] for record in second.records["customers"]} == {"tie", "late"}
    assert len(second.records["events"]) == 2
    assert not sync(after=second).records


def test_a_deletion_leaves_a_stub_and_its_event(stripe, sync):
    first = given_an_account_in_step(stripe, sync)
    stripe.event("customer.deleted", T + 900, stripe.remove("customers", "cus_3"))
    stripe.remove(
        "customers", "cus_4"
    )  # as Stripe does for customers: the object answers that it is gone
    stripe.add("customers", T, "cus_4", deleted=True)
    stripe.event("customer.deleted", T + 901, {"id": "cus_4", "object": "customer"})
    second = sync(after=first)
    assert sorted(second.records["customers"], key=lambda r: r["id"]) == [
        {"id": "cus_3", "object": "customer", "deleted": True},
        {"id": "cus_4", "object": "customer", "deleted": True},
    ]
    assert [event["type"] for event in second.records["events"]].count("customer.deleted") == 2


def test_a_deletion_before_the_first_sync_leaves_its_stub_too(stripe, sync):
    for n in range(2):
        stripe.add("customers", T + n, f"cus_{n}")
    stripe.event("customer.deleted", T + 5, stripe.remove("customers", "cus_0"))
    stripe.event("coupon.deleted", T + 6, {"id": "AGAIN", "object": "coupon"})
    stripe.add("coupons", T + 7, "AGAIN", percent_off=5)
    found = sync()
    assert found.one("customers", "cus_0") == {"id": "cus_0", "object": "customer", "deleted": True}
    assert [coupon["percent_off"] for coupon in found.records["coupons"]] == [5]


def test_a_coupon_id_that_is_used_again_is_read_as_it_is_now(stripe, sync):
    stripe.add("coupons", T, "SAVE", percent_off=10)
    first = sync()
    old = stripe.remove("coupons", "SAVE")
    new = stripe.add("coupons", T + 500, "SAVE", percent_off=20)
    stripe.event("coupon.created", T + 500, new)
    stripe.event("coupon.deleted", T + 500, old)
    assert [record["percent_off"] for record in sync(after=first).records["coupons"]] == [20]


@pytest.mark.parametrize(
    ("event_type", "thing", "stream", "identity"),
    [
        (
            "customer.discount.created",
            {"id": "di_1", "object": "discount", "customer": "cus_1"},
            "customers",
            "cus_1",
        ),
        (
            "customer.discount.deleted",
            {"id": "di_1", "object": "discount", "subscription": "sub_1"},
            "subscriptions",
            "sub_1",
        ),
        (
            "subscription_schedule.updated",
            {"id": "ss_1", "object": "subscription_schedule", "subscription": "sub_1"},
            "subscriptions",
            "sub_1",
        ),
        (
            "invoice_payment.paid",
            {"id": "inpay_1", "object": "invoice_payment", "invoice": "in_1"},
            "invoices",
            "in_1",
        ),
        (
            "credit_note.created",
            {"id": "cn_1", "object": "credit_note", "invoice": "in_1"},
            "invoices",
            "in_1",
        ),
        (
            "charge.dispute.closed",
            {"id": "du_1", "object": "dispute", "charge": "ch_1"},
            "charges",
            "ch_1",
        ),
        (
            "refund.updated",
            {"id": "re_1", "object": "refund", "charge": {"id": "ch_1"}},
            "charges",
            "ch_1",
        ),
        ("plan.updated", {"id": "price_1", "object": "plan"}, "prices", "price_1"),
    ],
)
def test_an_event_also_names_the_objects_around_its_own(
    stripe, sync, event_type, thing, stream, identity
):
    kind = {"invoices": "invoices"}.get(stream, stream)
    stripe.add(kind, T, identity, note="before")
    first = sync()
    stripe.things[kind][0]["note"] = "after"
    stripe.event(event_type, T + 700, thing)
    assert [record["note"] for record in sync(after=first).records[stream]] == ["after"]


def test_an_invoice_items_invoice_brings_it_along(stripe, sync):
    stripe.add("invoiceitems", T, "ii_1", invoice=None)
    first = sync()
    stripe.things["invoiceitems"][0]["invoice"] = "in_1"
    line = {"id": "il_1", "parent": {"invoice_item_details": {"invoice_item": "ii_1"}}}
    invoice = stripe.add(
        "invoices", T + 600, "in_1", lines={"object": "list", "data": [line], "has_more": False}
    )
    stripe.event("invoice.created", T + 600, invoice)
    assert [record["invoice"] for record in sync(after=first).records["invoice_items"]] == ["in_1"]


def test_a_refund_that_only_its_charges_event_tells_of(stripe, sync):
    charge = stripe.add("charges", T, "ch_1")
    first = sync()
    stripe.add("refunds", T + 600, "re_1", charge="ch_1")
    stripe.event("charge.refunded", T + 600, charge)
    assert sync(after=first).ids("refunds") == ["re_1"]


def test_other_peoples_events_are_not_landed(stripe, sync):
    stripe.event("payment_intent.created", T, {"id": "pi_1", "object": "payment_intent"})
    stripe.event("invoice.upcoming", T, {"object": "invoice", "customer": "cus_1"})
    found = sync()
    assert [event["type"] for event in found.records["events"]] == ["invoice.upcoming"]


def test_a_cursor_older_than_29_days_lists_again(stripe, sync):
    first = given_an_account_in_step(stripe, sync)
    stripe.things["events"].clear()  # Stripe has forgotten them
    stripe.things["customers"][0]["name"] = "changed long ago"
    second = sync(after=first, as_of="2025-08-15T00:00:00Z")
    assert second.one("customers", "cus_0")["name"] == "changed long ago"
    assert len(second.ids("customers")) == 5
    assert any("listing again" in line for line in second.logs)


def test_a_quiet_account_is_not_listed_again(stripe, sync):
    first = given_an_account_in_step(stripe, sync)
    second = sync(after=first, as_of="2025-07-20T00:00:00Z")
    third = sync(after=second, as_of="2025-08-10T00:00:00Z")
    assert not third.records


def test_a_state_from_the_future_lists_again(stripe, sync):
    given_an_account_in_step(stripe, sync)
    future = {"cursor": 2_000_000_000, "seen": [], "checked_at": "2033-05-18T00:00:00+00:00"}
    state = [
        {"type": "STREAM", "stream": {"stream_descriptor": {"name": name}, "stream_state": future}}
        for name in ("customers", "events")
    ]
    found = sync("customers", "events", state=state)
    assert len(found.ids("customers")) == 5
    assert len(found.records["events"]) == 5


@pytest.mark.parametrize(
    "bad",
    [
        {"cursor": "yesterday", "seen": [], "checked_at": "2025-06-01T00:00:00+00:00"},
        {"cursor": True, "seen": [], "checked_at": "2025-06-01T00:00:00+00:00"},
        {"cursor": 1, "seen": [], "checked_at": "x"},
        {"cursor": 1, "checked_at": "2025-06-01T00:00:00+00:00"},
        {"list": {"through": None}},
    ],
)
def test_a_corrupt_state_is_refused_by_name(stripe, sync, bad):
    given_an_account_in_step(stripe, sync)
    state = [
        {
            "type": "STREAM",
            "stream": {"stream_descriptor": {"name": "customers"}, "stream_state": bad},
        }
    ]
    found = sync("customers", state=state)
    assert found.code == 1
    assert "state of customers" in found.error()
    assert found.errors[0]["failure_type"] == "config_error"


@pytest.mark.parametrize(
    "text", ['[{"type": "STREAM", "str', '{"customers": 1}', "[1]", '[{"type": "STREAM"}]']
)
def test_a_truncated_state_file_is_refused(stripe, sync, text):
    found = sync("customers", state=text)
    assert found.code == 1
    assert "state file" in found.error()


def test_a_window_reads_what_is_in_it_and_leaves_the_cursor(stripe, sync):
    first = given_an_account_in_step(stripe, sync)
    thing = stripe.add("customers", 1_740_000_000, "cus_old")
    stripe.change("customers", "customer.updated", T + 3600, thing, name="x")
    found = sync(
        "customers",
        "events",
        after=first,
        window_from="2025-06-15T15:06:42Z",
        window_to="2025-06-15T15:06:44Z",
    )
    assert set(found.ids("customers")) == {"cus_2", "cus_3"}
    assert [event["id"] for event in found.records["events"]] == ["evt_3", "evt_2"]
    assert found.states["customers"] == [first.states["customers"][-1]]
    then = sync("customers", "events", after=first)
    assert then.ids("customers") == ["cus_old"]


def test_balance_transactions_are_read_by_their_time_and_again_when_available(stripe, sync):
    # given one that is settled, and one that is pending until after the first sync
    stripe.add("balance_transactions", T, "txn_1", status="available", available_on=T, amount=1)
    stripe.add(
        "balance_transactions",
        T + 10,
        "txn_2",
        status="pending",
        available_on=T + 1_500_000,
        amount=2,
    )
    stripe.add(
        "balance_transactions", T + 5000, "txn_3", status="available", available_on=T, amount=3
    )
    first = sync("balance_transactions")
    assert set(first.ids("balance_transactions")) == {"txn_1", "txn_2", "txn_3"}
    # when nothing happens, nothing is read
    assert not sync("balance_transactions", after=first).records
    # when it becomes available, and a new one comes
    stripe.things["balance_transactions"][1]["status"] = "available"
    stripe.add(
        "balance_transactions",
        T + 1_400_000,
        "txn_4",
        status="available",
        available_on=T + 1_400_000,
        amount=4,
    )
    second = sync("balance_transactions", after=first, as_of="2025-07-03T00:00:00Z")
    assert set(second.ids("balance_transactions")) == {"txn_2", "txn_4"}
    assert second.states["balance_transactions"][-1]["pending_from"] is None
    assert not sync("balance_transactions", after=second, as_of="2025-07-03T00:00:00Z").records


def test_balance_transactions_that_broke_off_lose_nothing(stripe, sync):
    for n in range(4200):
        stripe.add("balance_transactions", T + n, f"txn_{n}", status="available", available_on=T)
    stripe.faults.append(
        lambda path, query: (
            (400, {}, {"error": {"message": "no", "type": "invalid_request_error"}})
            if stripe.paths().count("/v1/balance_transactions") == 25
            else None
        )
    )
    first = sync("balance_transactions")
    assert first.code == 1
    stripe.faults.clear()
    stripe.add("balance_transactions", T + 9000, "txn_new", status="available", available_on=T)
    second = sync("balance_transactions", after=first)
    third = sync("balance_transactions", after=second)
    found = {
        *first.ids("balance_transactions"),
        *second.ids("balance_transactions"),
        *third.ids("balance_transactions"),
    }
    assert found == {thing["id"] for thing in stripe.things["balance_transactions"]}
    assert third.ids("balance_transactions") == ["txn_new"]


def test_first_events_reach_back_as_far_as_stripe_keeps_them_and_resume(stripe, sync):
    for n in range(4300):
        stripe.event("customer.updated", T + n, {"id": "cus_1", "object": "customer"}, f"evt_{n}")
    stripe.faults.append(
        lambda path, query: (
            (400, {}, {"error": {"message": "no", "type": "invalid_request_error"}})
            if stripe.paths().count("/v1/events") == 30
            else None
        )
    )
    first = sync("events")
    assert first.code == 1
    stripe.faults.clear()
    stripe.event("customer.updated", T + 9999, {"id": "cus_1", "object": "customer"}, "evt_new")
    second = sync("events", after=first)
    third = sync("events", after=second)
    found = {event["id"] for part in (first, second, third) for event in part.records["events"]}
    assert found == {event["id"] for event in stripe.things["events"]}
    assert stripe.paths().count("/v1/events") < 4
    assert json.dumps(third.states["events"][-1])


def test_a_payout_without_events_is_found_by_its_time(stripe, sync):
    stripe.add("payouts", T, "po_1", status="paid")
    first = sync("payouts")
    stripe.add("payouts", T + 1_300_000, "po_2", status="paid")
    assert "po_2" in sync("payouts", after=first).ids("payouts")


def given_payouts_with_transactions(stripe, count: int, each: int = 2, **more) -> None:
    """Payouts, each with so many charges, and its own transaction."""
    for n in range(count):
        thing = {"automatic": True, "reconciliation_status": "completed", "status": "paid", **more}
        stripe.add("payouts", T + n, f"po_{n}", **thing)
        for k in range(each):
            shape = {"type": "charge", "net": 100 + k, "currency": "usd", "status": "available"}
            stripe.add("balance_transactions", T + n, f"txn_{n}_{k}", payout=f"po_{n}", **shape)
        shape = {"type": "payout", "net": -1, "currency": "usd", "status": "available"}
        stripe.add("balance_transactions", T + n, f"txn_{n}_own", payout=f"po_{n}", **shape)


def test_what_a_payout_paid_out_is_listed_beyond_the_first_page(stripe, sync):
    given_payouts_with_transactions(stripe, 2, each=230)
    found = sync("payout_transactions")
    assert len(found.ids("payout_transactions")) == 2 * 231
    one = found.one("payout_transactions", "po_1/txn_1_229")
    assert (one["payout"], one["balance_transaction"]) == ("po_1", "txn_1_229")
    assert (one["net"], one["type"], one["created"], one["livemode"]) == (
        329,
        "charge",
        T + 1,
        False,
    )
    assert not sync("payout_transactions", after=found).records


def test_only_automatic_payouts_that_are_reconciled_are_asked_for(stripe, sync):
    given_payouts_with_transactions(stripe, 1)
    stripe.add("payouts", T + 50, "po_hand", automatic=False, reconciliation_status="completed")
    way = stripe.add(
        "payouts", T + 60, "po_way", automatic=True, reconciliation_status="in_progress"
    )
    stripe.add("balance_transactions", T + 60, "txn_way", payout="po_way", type="charge", net=5)
    stripe.event("payout.created", T + 60, way)
    first = sync("payout_transactions")
    assert {record["payout"] for record in first.records["payout_transactions"]} == {"po_0"}
    # when its reconciliation is done, an event names it, long after it was created
    stripe.change(
        "payouts",
        "payout.reconciliation_completed",
        T + 900_000,
        way,
        reconciliation_status="completed",
    )
    second = sync("payout_transactions", after=first)
    assert second.ids("payout_transactions") == ["po_way/txn_way"]
    assert not sync("payout_transactions", after=second).records


def test_payouts_that_broke_off_are_gone_on_with(stripe, sync):
    given_payouts_with_transactions(stripe, 250)
    stripe.faults.append(
        lambda path, query: (
            (400, {}, {"error": {"message": "no", "type": "invalid_request_error"}})
            if query.get("payout") == ["po_120"]
            else None
        )
    )
    first = sync("payout_transactions")
    assert first.code == 1
    stripe.faults.clear()
    second = sync("payout_transactions", after=first)
    assert second.code == 0
    # the first page of a hundred payouts is not asked for again
    assert stripe.paths().count("/v1/balance_transactions") == 151
    found = {*first.ids("payout_transactions"), *second.ids("payout_transactions")}
    assert len(found) == 250 * 3


def test_payouts_in_a_gap_of_more_than_29_days_are_listed_again(stripe, sync):
    given_payouts_with_transactions(stripe, 1)
    first = sync("payout_transactions")
    # reconciled in the gap: its event is gone
    shape = {"automatic": True, "reconciliation_status": "completed"}
    stripe.add("payouts", T + 1_400_000, "po_gap", **shape)
    stripe.add("balance_transactions", T, "txn_gap", payout="po_gap", type="charge", net=5)
    found = sync("payout_transactions", after=first, as_of="2025-09-01T00:00:00Z")
    assert "po_gap/txn_gap" in found.ids("payout_transactions")


def test_a_window_reads_the_payouts_in_it(stripe, sync):
    given_payouts_with_transactions(stripe, 3)
    window = {"window_from": "2025-06-15T15:06:41Z", "window_to": "2025-06-15T15:06:42Z"}
    found = sync("payout_transactions", **window)
    assert {record["payout"] for record in found.records["payout_transactions"]} == {"po_1"}


def test_a_schedules_events_name_it_and_its_subscription(stripe, sync):
    subscription = stripe.add("subscriptions", T, "sub_1", status="active")
    schedule = stripe.add(
        "subscription_schedules", T, "sub_sched_1", subscription="sub_1", status="active"
    )
    stripe.event("customer.subscription.created", T, subscription)
    first = sync("subscription_schedules", "subscriptions")
    assert first.ids("subscription_schedules") == ["sub_sched_1"]
    stripe.change(
        "subscription_schedules",
        "subscription_schedule.released",
        T + 3600,
        schedule,
        status="released",
        subscription=None,
        released_subscription="sub_1",
    )
    second = sync("subscription_schedules", "subscriptions", "events", after=first)
    assert second.one("subscription_schedules", "sub_sched_1")["status"] == "released"
    assert second.ids("subscriptions") == ["sub_1"]
    asked = dict(stripe.calls)["/v1/subscription_schedules/sub_sched_1"]
    assert asked["expand[]"] == ["phases.discounts.coupon"]
