"""Stripe's first sync: everything is listed, once, whatever happens meanwhile."""

from __future__ import annotations

import json

from tests.ingestion.sources.fake_stripe import KEY, error, times

T = 1_750_000_000


def given_customers(stripe, count: int) -> None:
    for n in range(count):
        stripe.add("customers", T + n, f"cus_{n}")


def test_every_object_is_read_once_and_the_states_count_them(stripe, sync):
    given_customers(stripe, 250)
    found = sync("customers", "products")
    assert found.code == 0
    assert sorted(found.ids("customers")) == sorted(f"cus_{n}" for n in range(250))
    assert found.statuses["customers"] == ["STARTED", "RUNNING", "COMPLETE"]
    assert found.statuses["products"] == ["STARTED", "COMPLETE"]
    assert stripe.paths().count("/v1/customers") == 3


def test_records_carry_the_projects_now_and_the_object_as_it_was_sent(stripe, sync):
    sent = stripe.add(
        "customers", T, "cus_a", balance=-9007199254740993, name='Zoë \u2028 "x"', address=None
    )
    found = sync("customers")
    message = next(m for m in found.messages if m["type"] == "RECORD")
    assert message["record"]["emitted_at"] == 1_751_328_000_000
    assert message["record"]["data"] == sent


def test_objects_are_asked_for_with_their_expansions_and_in_every_status(stripe, sync):
    sync()
    asked = dict(stripe.calls)
    assert asked["/v1/subscriptions"]["status"] == ["all"]
    assert asked["/v1/subscriptions"]["expand[]"] == [
        "data.discounts.source.coupon",
        "data.items.data.discounts",
    ]
    assert asked["/v1/prices"]["expand[]"] == ["data.tiers", "data.currency_options"]
    assert "data.applies_to" in asked["/v1/coupons"]["expand[]"]
    assert "data.payments" in asked["/v1/invoices"]["expand[]"]
    assert all(
        path.count(".") < 4 for query in asked.values() for path in query.get("expand[]", [])
    )


def test_archived_prices_are_listed_too(stripe, sync):
    stripe.add("prices", T, "price_now", active=True)
    stripe.add("prices", T, "price_archived", active=False)
    assert set(sync("prices").ids("prices")) == {"price_now", "price_archived"}


def test_a_list_in_parts_is_gone_on_with_in_its_part(stripe, sync):
    # given 21 pages of prices and as many archived, which break off after the second part's 20th
    for n in range(4200):
        stripe.add("prices", T + n, f"price_{n}", active=n % 2 == 0)
    stripe.faults.append(
        lambda path, query: (
            error(400, "no") if path == "/v1/prices" and stripe.paths().count(path) == 42 else None
        )
    )
    first = sync("prices")
    assert first.code == 1
    assert [state["list"]["part"] for state in first.states["prices"]] == [0, 1]
    stripe.faults.clear()
    second = sync("prices", after=first)
    assert stripe.paths().count("/v1/prices") < 4
    found = {*first.ids("prices"), *second.ids("prices")}
    assert found == {f"price_{n}" for n in range(4200)}


def test_lines_beyond_the_inlined_ones_are_fetched(stripe, sync):
    lines = [{"id": f"il_{n}", "object": "line_item", "amount": n} for n in range(230)]
    stripe.add(
        "invoices", T, "in_a", lines={"object": "list", "data": lines[:10], "has_more": True}
    )
    stripe.add(
        "invoices", T, "in_b", lines={"object": "list", "data": lines[:2], "has_more": False}
    )
    stripe.inner["/v1/invoices/in_a/lines"] = lines
    found = sync("invoices")
    assert [line["id"] for line in found.one("invoices", "in_a")["lines"]["data"]] == [
        f"il_{n}" for n in range(230)
    ]
    assert found.one("invoices", "in_a")["lines"]["has_more"] is False
    assert "/v1/invoices/in_b/lines" not in stripe.paths()


def test_subscription_items_and_invoice_payments_are_completed_too(stripe, sync):
    items = [{"id": f"si_{n}"} for n in range(25)]
    stripe.add(
        "subscriptions", T, "sub_a", items={"object": "list", "data": items[:10], "has_more": True}
    )
    stripe.inner["subscription_items/sub_a"] = items
    payments = [{"id": f"inpay_{n}"} for n in range(12)]
    stripe.add(
        "invoices", T, "in_a", payments={"object": "list", "data": payments[:10], "has_more": True}
    )
    stripe.inner["invoice_payments/in_a"] = payments
    found = sync("subscriptions", "invoices")
    assert found.one("subscriptions", "sub_a")["items"]["data"] == items
    assert found.one("invoices", "in_a")["payments"]["data"] == payments


def test_objects_inserted_while_paging_are_not_lost(stripe, sync):
    given_customers(stripe, 250)
    stripe.event("customer.created", T + 249, stripe.things["customers"][-1])

    def insert(path, query):
        if path == "/v1/customers" and len(stripe.things["customers"]) < 260:
            thing = stripe.add("customers", T + 1000 + len(stripe.calls))
            stripe.event("customer.created", thing["created"], thing)

    stripe.after.append(insert)
    first = sync("customers")
    stripe.after.clear()
    second = sync("customers", after=first)
    both = set(first.ids("customers")) | set(second.ids("customers"))
    assert both == {thing["id"] for thing in stripe.things["customers"]}
    assert len(first.ids("customers")) == len(set(first.ids("customers")))


def test_a_deletion_of_the_page_mark_does_not_end_the_list(stripe, sync):
    given_customers(stripe, 250)

    def delete(path, query):
        if (
            path == "/v1/customers"
            and "starting_after" not in query
            and len(stripe.things["customers"]) == 250
        ):
            stripe.remove("customers", "cus_150")  # the first page's last

    stripe.after.append(delete)
    found = sync("customers")
    assert found.code == 0
    assert set(found.ids("customers")) == {f"cus_{n}" for n in range(250)}


def test_a_cursor_that_goes_in_circles_is_an_error(stripe, sync):
    given_customers(stripe, 100)
    page = [
        {"id": f"cus_{n}", "object": "customer", "created": T, "livemode": False}
        for n in range(100)
    ]
    stripe.faults.append(
        lambda path, query: (
            (200, {}, {"object": "list", "data": page, "has_more": True})
            if path == "/v1/customers"
            else None
        )
    )
    found = sync("customers")
    assert found.code == 1
    assert "circles" in found.error()
    assert found.statuses["customers"][-1] == "INCOMPLETE"


def test_a_list_without_its_paging_field_is_an_error_and_not_its_end(stripe, sync):
    stripe.faults.append(
        lambda path, query: (
            (200, {}, {"object": "list", "data": []}) if path == "/v1/prices" else None
        )
    )
    found = sync("prices")
    assert found.code == 1
    assert "has_more" in found.error()


def test_a_broken_list_is_gone_on_with_where_it_broke(stripe, sync):
    # given a list of 45 pages whose 30th request fails for good
    given_customers(stripe, 4500)
    stripe.faults.append(
        lambda path, query: (
            error(400, "no")
            if path == "/v1/customers" and stripe.paths().count(path) == 30
            else None
        )
    )
    first = sync("customers")
    assert first.code == 1
    assert len(first.states["customers"]) == 1
    # when it is read again
    stripe.faults.clear()
    second = sync("customers", after=first)
    # then the 20 pages before the last state are not asked for again, and nothing is missing
    assert second.code == 0
    assert stripe.paths().count("/v1/customers") < 30
    assert set(first.ids("customers")) | set(second.ids("customers")) == {
        f"cus_{n}" for n in range(4500)
    }
    # and the cursor is the one from before the first attempt
    assert set(second.states["customers"][-1]) == {"cursor", "seen", "checked_at"}


def test_start_date_bounds_what_happened_and_not_what_is(stripe, sync):
    for kind in ("customers", "invoices", "charges"):
        stripe.add(kind, 1_700_000_000, f"{kind}_old")
        stripe.add(kind, 1_750_000_000, f"{kind}_new")
    found = sync("customers", "invoices", "charges", start_date="2025-01-01")
    assert len(found.ids("customers")) == 2
    assert found.ids("invoices") == ["invoices_new"]
    assert found.ids("charges") == ["charges_new"]


def test_invoice_items_are_dated_by_date(stripe, sync):
    for n in range(3):
        stripe.add("invoiceitems", T + n, f"ii_{n}")
    found = sync("invoice_items")
    assert set(found.ids("invoice_items")) == {"ii_0", "ii_1", "ii_2"}


def test_an_expansion_that_the_account_does_not_know_is_left_out_with_a_word(stripe, sync):
    stripe.add("prices", T, "price_a")
    stripe.faults.append(
        lambda path, query: (
            error(400, "This property cannot be expanded (tiers).")
            if "data.tiers" in query.get("expand[]", [])
            else None
        )
    )
    found = sync("prices")
    assert found.ids("prices") == ["price_a"]
    assert any("does not expand data.tiers" in line for line in found.logs)


def test_both_livemodes_pass_through(stripe, sync):
    stripe.add("customers", T, "cus_live", livemode=True)
    stripe.add("customers", T, "cus_test", livemode=False)
    assert len(sync("customers").ids("customers")) == 2


def test_full_refresh_ignores_the_state(stripe, sync):
    given_customers(stripe, 3)
    first = sync("customers")
    again = sync("customers", after=first, mode="full_refresh")
    assert len(again.ids("customers")) == 3


def test_a_failed_page_is_tried_again(stripe, sync):
    given_customers(stripe, 150)
    stripe.faults.append(times(2, error(500, "oops", kind="api_error"), "/v1/customers"))
    found = sync("customers")
    assert len(found.ids("customers")) == 150


def test_the_key_is_in_nothing_that_is_said(stripe, sync):
    given_customers(stripe, 2)
    found = sync("customers")
    bad = sync("customers", api_key="sk_test_wrong_canary_9")
    assert KEY not in json.dumps(found.messages)
    assert "wrong_canary_9" not in json.dumps(bad.messages)
