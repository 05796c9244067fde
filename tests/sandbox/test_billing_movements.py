"""Movements of MRR per customer; migrations, reasons and currencies, worked by hand."""

from decimal import Decimal

from sandbox.billing.movements import SubscriptionMrr, customer_mrr

HOUR = 3600
T = 1_706_745_600  # 2024-02-01 00:00 UTC


def subscription(*steps, currency="USD", ended=None, reason="voluntary"):
    made = SubscriptionMrr(currency)
    for at, mrr in steps:
        made.record(at, Decimal(mrr), reason if mrr == 0 else "voluntary")
    made.ended_at = ended
    return made


def told(*subscriptions, **more):
    result = customer_mrr(subscriptions, **more)
    return [(m.at - T, m.kind, int(m.amount), m.currency) for m in result.movements], result


def test_new_expansion_contraction_churn_reactivation():
    first = subscription((T, 100), (T + 10, 150), (T + 20, 120), (T + 30, 0))
    later = subscription((T + 30 + 25 * HOUR, 80))
    movements, result = told(first, later)
    assert movements == [
        (0, "new", 100, "USD"),
        (10, "expansion", 50, "USD"),
        (20, "contraction", -30, "USD"),
        (30, "churn", -120, "USD"),
        (30 + 25 * HOUR, "reactivation", 80, "USD"),
    ]
    assert result.churned == [(T + 30, "voluntary")]


def test_case_9_a_migration_over_a_months_end_is_held():
    end, begin = T - HOUR, T + 10 * HOUR
    old = subscription((T - 1000 * HOUR, 10_000), (end, 0), ended=end)
    new = subscription((begin, 12_000))
    movements, result = told(old, new)
    assert movements[1:] == [(10 * HOUR, "expansion", 2000, "USD")]
    assert result.before(T) == {"USD": Decimal(10_000)}
    assert not result.churned


def test_without_a_successor_the_churn_stands_at_the_old_end():
    end = T - HOUR
    old = subscription((T - 1000 * HOUR, 10_000), (end, 0), ended=end)
    _, result = told(old)
    assert result.churned == [(end, "voluntary")]
    assert result.before(T) == {}


def test_the_grace_is_inclusive_and_no_longer():
    for gap, joined in ((24 * HOUR, True), (24 * HOUR + 1, False)):
        old = subscription((T - 99 * HOUR, 100), (T, 0), ended=T)
        movements, _ = told(old, subscription((T + gap, 100)))
        assert [kind for _, kind, _, _ in movements] == (
            ["new"] if joined else ["new", "churn", "reactivation"]
        )


def test_an_overlap_is_one_movement_at_the_new_beginning():
    old = subscription((T - 99 * HOUR, 4900), (T + 5 * HOUR, 0), ended=T + 5 * HOUR)
    movements, _ = told(old, subscription((T, 9900)))
    assert movements[1:] == [(0, "expansion", 5000, "USD")]


def test_a_migration_beside_another_subscription_is_held_too():
    stays = subscription((T - 500 * HOUR, 1000))
    old = subscription((T - 400 * HOUR, 500), (T, 0), ended=T)
    movements, _ = told(stays, old, subscription((T + HOUR, 700)))
    assert movements[2:] == [(HOUR, "expansion", 200, "USD")]


def test_a_pause_is_no_migration():
    paused = subscription((T, 100), (T + 10, 0), (T + 20, 100), reason="pause")
    movements, result = told(paused)
    assert [kind for _, kind, _, _ in movements] == ["new", "churn", "reactivation"]
    assert result.churned == [(T + 10, "pause")]


def test_ending_what_is_paused_moves_nothing():
    made = subscription((T, 100), (T + 10, 0), reason="pause")
    made.ended_at = T + 20
    made.record(T + 20, Decimal(0), "voluntary")
    _, result = told(made, subscription((T + 30, 70)))
    assert result.churned == [(T + 10, "pause")]


def test_changes_of_one_instant_are_one_movement():
    movements, _ = told(subscription((T, 100)), subscription((T, 50)))
    assert movements == [(0, "new", 150, "USD")]


def test_case_10_a_switch_of_currency_has_one_category():
    dollars = subscription((T - 99 * HOUR, 10_000), (T, 0), ended=T)
    euros = subscription((T, 9000), currency="EUR")
    rates = {"USD": Decimal(1), "EUR": Decimal("1.10")}
    movements, _ = told(dollars, euros, rates=lambda currency, _at: rates[currency])
    assert movements[1:] == [(0, "contraction", 9000, "EUR"), (0, "contraction", -10_000, "USD")]


def test_a_change_exactly_at_the_months_end_is_the_next_months():
    _, result = told(subscription((T, 100)))
    assert result.before(T) == {}
    assert result.before(T + 1) == {"USD": Decimal(100)}


def test_the_reason_of_a_failed_payment():
    _, result = told(subscription((T, 100), (T + 9, 0), ended=T + 9, reason="involuntary"))
    assert result.churned == [(T + 9, "involuntary")]
