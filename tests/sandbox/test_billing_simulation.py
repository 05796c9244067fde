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
    assert len(found.payout_members) == len(
        {transaction for _, transaction in found.payout_members}
    )


def balance(found, kind):
    """(created, amount, fee, net) of the balance transactions of a type."""
    return [
        (t["created"], t["amount"], t["fee"], t["net"])
        for t in of(found, "balance_transaction")
        if t["type"] == kind
    ]


def test_what_goes_in_and_out_of_the_balance():
    # given 117.00 on 1 January, of which 17.00 are refunded, and 117.00 disputed and won
    found = world(
        subscribe(),
        (day(10), "refund", {"amount": 1700}),
        (day(32), "dispute", {"outcome": "won", "closes_after_days": 20}),
        now=day(61),
    )
    # then a charge costs 2.9 % + 30 (339 + 30), and a refund brings no fee back
    assert balance(found, "charge") == [
        (day(0).timestamp(), 11_700, 369, 11_331),
        (day(31, hours=1).timestamp(), 11_700, 369, 11_331),
        (day(60, hours=1).timestamp(), 11_700, 369, 11_331),
    ]
    assert balance(found, "refund") == [(day(10).timestamp(), -1700, 0, -1700)]
    # and a dispute takes its fee, which a win brings back
    assert balance(found, "adjustment") == [
        (day(32).timestamp(), -11_700, 1500, -13_200),
        (day(52).timestamp(), 11_700, -1500, 13_200),
    ]
    # and on the first of a month Stripe asks for 0.5 % of the last: 58.5, half up
    assert balance(found, "stripe_fee") == [
        (day(31, hours=3).timestamp(), -59, 0, -59),
        (day(60, hours=3).timestamp(), -59, 0, -59),
    ]


def test_a_balance_below_zero_waits_and_is_debited_after_a_fortnight():
    found = world(subscribe(), (day(10), "refund", {"amount": 1700}), now=day(40))
    payouts = [(p["created"], p["amount"], p["status"]) for p in of(found, "payout")]
    # what is charged on 1 January is available on the 3rd; what is refunded on the 11th on the 13th
    assert payouts[:2] == [
        (day(2, hours=1).timestamp(), 11_331, "paid"),
        (day(12 + 14, hours=1).timestamp(), -1700, "paid"),
    ]


def test_a_payout_that_fails_comes_back_and_goes_out_with_the_next():
    # given a payout a month, the fourth of which fails
    found = world(subscribe(), now=day(130))
    payouts = of(found, "payout")
    assert [p["status"] for p in payouts[:5]] == ["paid", "paid", "paid", "failed", "paid"]
    failed, then = payouts[3:5]
    transactions = {t["id"]: t for t in of(found, "balance_transaction")}
    back = transactions[failed["failure_balance_transaction"]]
    assert (back["type"], back["reporting_category"]) == ("payout_failure", "payout_reversal")
    assert (back["amount"], back["source"]) == (failed["amount"], failed["id"])
    members = [t for payout, t in found.payout_members if payout == then["id"]]
    assert back["id"] in members
    assert then["amount"] == failed["amount"]
    told = [e["type"] for e in found.events if e["data"]["object"]["id"] == failed["id"]]
    assert told == ["payout.created", "payout.failed", "payout.reconciliation_completed"]


def test_truth_of_balance_and_payouts_is_their_sum_per_month():
    found = world(subscribe(), (day(10), "refund", {"amount": 1700}), now=day(20))
    payout = of(found, "payout")[0]
    assert found.truth_balance == [
        ("2024-01", "USD", "charge", 11_700, 369, 11_331),
        ("2024-01", "USD", "payout", -11_331, 0, -11_331),
        ("2024-01", "USD", "refund", -1700, 0, -1700),
    ]
    assert found.truth_payouts == [(payout["id"], "USD", 11_331, "paid")]


PHASES = [
    {"price": "developer_month_usd", "quantity": 1, "months": 2},
    {"price": "team_month_usd", "quantity": 3, "months": 1},
]


def scheduled(**more):
    return START, "subscription_schedule", {"key": "main", "phases": PHASES, **more}


def test_a_schedules_phases_change_the_subscription_when_they_begin():
    found = world(scheduled(), now=day(120))
    # 4900 from 1 January; 3 x 3900 from 1 March, with the renewal, so that nothing is prorated
    assert [(m[1], m[2], m[3]) for m in found.truth_movements] == [
        (START, "new", Decimal(4900)),
        (datetime(2024, 3, 1, tzinfo=UTC), "expansion", Decimal(6800)),
    ]
    assert [i["total"] for i in of(found, "invoice")] == [4900, 4900, 11_700, 11_700]
    (schedule,) = of(found, "subscription_schedule")
    (subscription,) = of(found, "subscription")
    assert (schedule["status"], schedule["released_subscription"]) == (
        "released",
        subscription["id"],
    )
    assert schedule["released_at"] == datetime(2024, 4, 1, tzinfo=UTC).timestamp()
    assert subscription["schedule"] is None
    assert event_types(found, "subscription_schedule") == [
        "subscription_schedule.created",
        "subscription_schedule.updated",
        "subscription_schedule.expiring",
        "subscription_schedule.released",
    ]


def test_a_schedule_that_begins_later_has_no_subscription_until_then():
    found = world(scheduled(starts_in_days=5, end_behavior="cancel"), now=day(4))
    (schedule,) = of(found, "subscription_schedule")
    assert (schedule["status"], schedule["subscription"]) == ("not_started", None)
    assert not of(found, "subscription")
    later = world(scheduled(starts_in_days=5, end_behavior="cancel"), now=day(120))
    (schedule,) = of(later, "subscription_schedule")
    assert (schedule["status"], schedule["current_phase"]) == ("completed", None)
    # 6 January to 6 April
    assert [m[1:4] for m in later.truth_movements][-1] == (
        datetime(2024, 4, 6, tzinfo=UTC),
        "churn",
        Decimal(-11_700),
    )


def test_a_subscription_that_is_canceled_takes_its_schedule_with_it():
    found = world(scheduled(), (day(40), "cancel_now", {"key": "main"}), now=day(120))
    (schedule,) = of(found, "subscription_schedule")
    assert (schedule["status"], schedule["canceled_at"]) == ("canceled", day(40).timestamp())
    assert found.truth_movements[-1][2] == "churn"


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
            # nor does it speak of a payment before it is paid
            if (
                deleted
                or kind == "balance_transaction"
                or (obj.get("status") == "open" and kind == "invoice_payment")
            ):
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
