"""Splitting money into revenue and tax, and over lines, to the minor unit."""

from fractions import Fraction

from sandbox.billing.revenue import NetLine, allocate, half_up, revenue_part, split, taking


def test_half_up_goes_away_from_zero():
    assert [half_up(Fraction(n, 2)) for n in (1, 3, -1, -3, 4)] == [1, 2, -1, -2, 2]


def test_allocate_adds_up_and_ties_go_to_the_lower_id():
    assert allocate(100, [1, 1, 1], ["b", "a", "c"]) == [33, 34, 33]
    assert allocate(10, [70, 20, 10], ["a", "b", "c"]) == [7, 2, 1]
    assert allocate(-100, [1, 1, 1], ["a", "b", "c"]) == [-33, -33, -34]
    assert allocate(5, [0, 0], ["b", "a"]) == [0, 5]


def test_case_13_an_unlinked_refund_of_half_an_invoice_with_tax():
    lines = [NetLine("il_1", "subscription", 10_000)]
    assert revenue_part(5950, lines, 11_900) == 5000


def test_a_refund_is_split_over_lines_by_net():
    lines = [
        NetLine("il_1", "subscription", 6000),
        NetLine("il_2", "usage", 3000),
        NetLine("il_3", "usage", 1000),
    ]
    part = revenue_part(3333, lines, 10_000)
    assert split(part, lines) == [2000, 1000, 333]


def test_a_refund_in_steps_takes_each_line_whole():
    lines = [NetLine("a", "subscription", 50), NetLine("b", "usage", 50)]
    steps = [(0, 40), (40, 40), (80, 39)]
    assert [taking(before, amount, lines, 119) for before, amount in steps] == [
        [17, 17], [17, 16], [16, 17],
    ]  # fmt: skip


def test_an_invoice_of_nothing_has_no_part():
    assert revenue_part(0, [NetLine("il_1", "subscription", 0)], 0) == 0
