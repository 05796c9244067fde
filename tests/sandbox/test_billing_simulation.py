"""The simulator: invoices, prorations, failures and events of small stories, worked by hand."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from sandbox.billing import simulate
from sandbox.company import Account, BillingAction
from sandbox.oddities import odd_customers

START = datetime(2024, 1, 1, tzinfo=UTC)
YEAR = datetime(2025, 1, 1, tzinfo=UTC)
SEATS = [{"price": "team_month_usd", "quantity": 3}]  # 39.00 each


def day(number, **more):
    return START + timedelta(days=number, **more)


def account(name="acc_1", currency="USD"):
    return Account(name, "Acme", "a@acme.example", "US", "Software", "Team", currency, START)


def world(*actions, now=YEAR, currency="USD"):
    told = [BillingAction(at, kind, params) for at, kind, params in actions]
    return simulate([(account(currency=currency), told)], start=START, now=now, seed=7)


def subscribe(at=START, **more):
    return at, "subscribe", {"key": "main", "items": SEATS, **more}


def of(found, kind):
    return sorted(
        (obj for type_, _, _, _, _, obj in found.objects if type_ == kind),
        key=lambda obj: (obj["created"], obj["id"]),
    )


def event_types(found, prefix=""):
    skipped = ("product.", "price.", "coupon.", "tax_rate.", "promotion_code.", "payout.")
    return [
        e["type"]
        for e in found.events
        if e["type"].startswith(prefix) and not e["type"].startswith(skipped)
    ]


def entries(found):
    sums = Counter()
    for entry in found.truth_entries:
        sums[entry.entry_type] += entry.amount
    return dict(sums)


def test_a_months_subscription_is_billed_in_advance():
    found = world(subscribe(), now=day(40))
    first, second = of(found, "invoice")
    assert first["billing_reason"] == "subscription_create"
    assert (first["total"], first["status"], first["amount_paid"]) == (11_700, "paid", 11_700)
    line = first["lines"]["data"][0]
    assert (line["period"]["start"], line["period"]["end"]) == (
        day(0).timestamp(),
        day(31).timestamp(),
    )
    assert line["parent"]["type"] == "subscription_item_details"
    assert second["billing_reason"] == "subscription_cycle"
    # A renewal is a draft for an hour.
    assert second["status_transitions"]["finalized_at"] - second["created"] == 3600
    assert event_types(found)[:9] == [
        "customer.created",
        "customer.updated",
        "invoice.created",
        "customer.subscription.created",
        "invoice.finalized",
        "charge.succeeded",
        "invoice_payment.paid",
        "invoice.paid",
        "invoice.created",
    ]


def test_the_draft_of_a_renewal_is_no_revenue_yet():
    found = world(subscribe(), now=day(31, minutes=30))
    assert of(found, "invoice")[-1]["status"] == "draft"
    assert entries(found) == {"line": 11_700}


def test_periods_are_counted_from_the_anchor():
    found = world(subscribe(day(30)), now=day(125))
    starts = [
        datetime.fromtimestamp(i["created"], UTC).strftime("%m-%d") for i in of(found, "invoice")
    ]
    assert starts == ["01-31", "02-29", "03-31", "04-30"]


def test_prorations_wait_for_the_next_invoice():
    # Half of January's 31 days are left: 11700 back, 19500 for 5 seats, of 15.5 / 31.
    found = world(
        subscribe(),
        (day(15.5), "change_quantity", {"key": "main", "price": "team_month_usd", "quantity": 5}),
        now=day(40),
    )
    lines = of(found, "invoice")[-1]["lines"]["data"]
    assert [(line["amount"], line["parent"]["type"]) for line in lines] == [
        (-5850, "invoice_item_details"),
        (9750, "invoice_item_details"),
        (19_500, "subscription_item_details"),
    ]
    assert lines[0]["parent"]["invoice_item_details"]["proration"] is True
    assert [(kind, int(amount)) for _, _, kind, amount, _ in found.truth_movements] == [
        ("new", 11_700),
        ("expansion", 7800),
    ]


def test_always_invoice_bills_at_once_and_credits_the_balance():
    found = world(
        subscribe(),
        (
            day(15.5),
            "change_quantity",
            {
                "key": "main",
                "price": "team_month_usd",
                "quantity": 1,
                "proration": "always_invoice",
            },
        ),
        now=day(40),
    )
    _, change, renewal = of(found, "invoice")
    assert (change["billing_reason"], change["total"], change["amount_due"]) == (
        "subscription_update",
        -3900,
        0,
    )
    assert change["ending_balance"] == -3900
    # 3900 for one seat is paid by the balance.
    assert (renewal["total"], renewal["amount_due"], renewal["starting_balance"]) == (
        3900,
        0,
        -3900,
    )
    assert change["lines"]["data"][0]["parent"]["subscription_item_details"]["proration"] is True


def test_no_proration_bills_nothing():
    found = world(
        subscribe(),
        (
            day(15.5),
            "change_quantity",
            {"key": "main", "price": "team_month_usd", "quantity": 5, "proration": "none"},
        ),
        now=day(30),
    )
    assert entries(found) == {"line": 11_700}


def test_a_trial_costs_nothing_and_then_bills():
    found = world(subscribe(trial_days=14), now=day(20))
    first, second = of(found, "invoice")
    assert (first["total"], second["total"]) == (0, 11_700)
    assert second["created"] == day(14).timestamp()
    update = next(e for e in found.events if e["type"] == "customer.subscription.updated")
    assert update["data"]["previous_attributes"]["status"] == "trialing"
    assert [(at, kind) for _, at, kind, _, _ in found.truth_movements] == [(day(14), "new")]


def test_a_coupon_for_one_invoice_is_gone_after_it():
    found = world(subscribe(coupon="welcome20"), now=day(40))
    first, second = of(found, "invoice")
    assert (first["subtotal"], first["total"], second["total"]) == (11_700, 9360, 11_700)
    assert of(found, "subscription")[0]["discounts"] == []
    assert entries(found) == {"line": 9360 + 11_700}


def test_a_repeating_coupon_ends_without_an_event():
    found = world(subscribe(coupon="half3"), now=day(92))
    assert [i["total"] for i in of(found, "invoice")] == [5850, 5850, 5850, 11_700]
    at = datetime(2024, 4, 1, tzinfo=UTC)
    assert ("acc_1", at, "expansion", Decimal(5850), "USD") in found.truth_movements
    assert "customer.discount.deleted" not in event_types(found)


def test_a_failed_payment_recovers_at_the_instant_given():
    found = world(
        subscribe(),
        (day(30), "payment_fails", {"until": day(36), "then": "recover"}),
        now=day(50),
    )
    statuses = [
        e["data"]["object"]["status"]
        for e in found.events
        if e["type"] == "customer.subscription.updated"
    ]
    assert statuses == ["active", "past_due", "active"]
    paid = of(found, "invoice")[-1]
    assert paid["status_transitions"]["paid_at"] == day(36).timestamp()
    assert not found.truth_churned
    assert [kind for _, _, kind, _, _ in found.truth_movements] == ["new"]


@pytest.mark.parametrize(
    ("then", "status", "invoice_status"),
    [
        ("unpaid", "unpaid", "open"),
        ("cancel", "canceled", "open"),
        ("uncollectible", "canceled", "uncollectible"),
    ],
)
def test_giving_up_after_the_last_retry(then, status, invoice_status):
    found = world(
        subscribe(), (day(30), "payment_fails", {"until": None, "then": then}), now=day(60)
    )
    assert of(found, "subscription")[0]["status"] == status
    assert of(found, "invoice")[1]["status"] == invoice_status
    # Finalised at 01:00 on 1 February; the last try is 15 days later.
    assert found.truth_churned == [("acc_1", day(46, hours=1), "involuntary")]
    assert entries(found).get("bad_debt", 0) == (-11_700 if then == "uncollectible" else 0)


def test_giving_up_at_the_instant_given():
    found = world(
        subscribe(), (day(30), "payment_fails", {"until": day(52), "then": "cancel"}), now=day(60)
    )
    assert found.truth_churned == [("acc_1", day(52), "involuntary")]


def test_a_first_payment_that_fails_expires():
    found = world(
        (START, "payment_fails", {"until": None, "then": "cancel"}), subscribe(), now=day(3)
    )
    assert of(found, "subscription")[0]["status"] == "incomplete_expired"
    assert entries(found) == {"line": 11_700, "void": -11_700}
    assert not found.truth_movements


def test_paused_collection_voids_invoices():
    found = world(
        subscribe(),
        (day(10), "pause", {"key": "main"}),
        (day(40), "resume", {"key": "main"}),
        now=day(70),
    )
    assert [i["status"] for i in of(found, "invoice")] == ["paid", "void", "paid"]
    assert entries(found) == {"line": 35_100, "void": -11_700}
    assert found.truth_churned == [("acc_1", day(10), "pause")]


def test_a_linked_refund_counts_once():
    # Case 13: 10000 and 19 % of tax.
    found = world(
        (START, "set_tax", {"rate": 19, "inclusive": False}),
        (
            START,
            "subscribe",
            {"key": "main", "items": [{"price": "team_plain_eur", "quantity": 1}]},
        ),
        (day(5), "refund", {"share": 1, "link_credit_note": True}),
        now=day(20),
        currency="EUR",
    )
    assert entries(found) == {"line": 10_000, "credit_note": -10_000}
    note = of(found, "credit_note")[0]
    assert (note["total"], note["total_excluding_tax"]) == (11_900, 10_000)
    assert note["refunds"][0]["amount_refunded"] == of(found, "refund")[0]["amount"] == 11_900
    assert of(found, "charge")[0]["refunded"] is True


def test_tax_inside_a_price_is_no_revenue():
    # Case 7: 11900 less 10 % is 10710, of which 1710 are tax.
    found = world(
        (START, "set_tax", {"rate": 19, "inclusive": True}),
        (
            START,
            "subscribe",
            {
                "key": "main",
                "items": [{"price": "developer_month_eur_inclusive"}],
                "coupon": "forever10",
            },
        ),
        now=day(20),
        currency="EUR",
    )
    invoice = of(found, "invoice")[0]
    assert (invoice["total"], invoice["total_taxes"][0]["amount"]) == (10_710, 1710)
    assert entries(found) == {"line": 9000}
    assert found.mrr_before("acc_1", day(20)) == {"EUR": Decimal(9000)}


def test_payouts_add_up_to_their_transactions():
    found = simulate(odd_customers(START, YEAR), start=START, now=YEAR, seed=7)
    nets = {t["id"]: t for t in of(found, "balance_transaction")}
    sums = Counter()
    for payout, transaction in found.payout_members:
        if nets[transaction]["type"] != "payout":
            sums[payout] += nets[transaction]["net"]
    payouts = of(found, "payout")
    assert len(payouts) > 100
    assert all(sums[payout["id"]] == payout["amount"] for payout in payouts)
    assert all(payout["reconciliation_status"] == "completed" for payout in payouts[:-3])


def test_the_past_never_changes_and_objects_are_their_last_snapshot():
    later = simulate(odd_customers(START, YEAR), start=START, now=YEAR, seed=7)
    # Stripe says nothing of these changes either.
    silent = {"next_invoice_sequence", "invoice"}
    for days in (20, 33.02, 75.5, 110):
        now = day(days)
        sooner = simulate(odd_customers(START, now), start=START, now=now, seed=7)
        assert sooner.events == later.events[: len(sooner.events)]
        assert later.events[len(sooner.events)]["created"] >= now.timestamp()
        last = {e["data"]["object"]["id"]: e["data"]["object"] for e in sooner.events}
        for kind, id_, _, _, deleted, obj in sooner.objects:
            if deleted or kind == "balance_transaction":
                continue
            changed = {name for name in obj if obj[name] != last[id_].get(name)}
            assert changed <= silent, (kind, id_, changed)


def test_ids_are_unique_and_the_same_in_every_run():
    worlds = [
        simulate(odd_customers(START, day(60)), start=START, now=day(60), seed=7) for _ in range(2)
    ]
    ids = [event["id"] for event in worlds[0].events] + [row[1] for row in worlds[0].objects]
    assert len(ids) == len(set(ids))
    assert worlds[0].events == worlds[1].events
    other = simulate(odd_customers(START, day(60)), start=START, now=day(60), seed=8)
    # Only coupons' ids are names.
    assert not {e["id"] for e in other.events} & {e["id"] for e in worlds[0].events}


def test_movements_bridge_every_month_end():
    found = simulate(odd_customers(START, YEAR), start=START, now=YEAR, seed=7)
    for month in (3, 6, 9, 12):
        end = datetime(2025 if month == 12 else 2024, month % 12 + 1, 1, tzinfo=UTC)
        name = f"2024-{month:02d}"
        moved = Counter()
        for customer, at, _, amount, currency in found.truth_movements:
            if at < end:
                moved[customer, currency] += amount
        state = {(c, cur): mrr for c, m, cur, mrr in found.truth_mrr if m == name}
        assert state == {key: amount for key, amount in moved.items() if amount}


def test_an_unknown_price_names_those_that_there_are():
    with pytest.raises(ValueError, match=r"no price 'gold'.*team_month_usd"):
        world((START, "subscribe", {"items": [{"price": "gold"}]}))


def test_an_unknown_action_names_those_that_there_are():
    with pytest.raises(ValueError, match=r"no billing action 'sing'.*subscribe"):
        world((START, "sing", {}))


def test_write_replaces_the_store_whole(tmp_path):
    store = tmp_path / "stripe.sqlite"
    world(subscribe(), now=day(5)).write(store)
    before = store.stat().st_ino
    world(subscribe(), now=day(40)).write(store)
    assert store.stat().st_ino != before
    assert [path.name for path in tmp_path.iterdir()] == ["stripe.sqlite"]
