"""The API: paging, filters, expansion, errors, and the real stripe client against it."""

import socket
import threading
from datetime import UTC, datetime

import pytest
import stripe
import uvicorn
from starlette.testclient import TestClient

from sandbox.billing import simulate
from sandbox.oddities import odd_customers
from sandbox.stripe_api import create_app

START = datetime(2024, 1, 1, tzinfo=UTC)
NOW = datetime(2024, 7, 1, tzinfo=UTC)
KEY = "rk_live_test"
LIVE = {"Authorization": f"Bearer {KEY}"}


@pytest.fixture(scope="module")
def world():
    return simulate(odd_customers(START, NOW), start=START, now=NOW, seed=7)


@pytest.fixture(scope="module")
def store(world, tmp_path_factory):
    path = tmp_path_factory.mktemp("stripe") / "stripe.sqlite"
    world.write(path)
    return path


@pytest.fixture(scope="module")
def api(store):
    app = create_app(store, lambda: NOW, keys={KEY}, rate_limit_every=None)
    return TestClient(app, headers=LIVE)


def walk(api, url, cursor="starting_after", **params):
    found = []
    while True:
        answer = api.get(url, params=params)
        assert answer.status_code == 200, answer.text
        page = answer.json()
        found += page["data"] if cursor == "starting_after" else page["data"][::-1]
        if not page["has_more"]:
            return found
        params[cursor] = found[-1]["id"]


def named(world, account):
    return next(
        obj for kind, _, _, _, _, obj in world.objects
        if kind == "customer" and obj.get("metadata", {}).get("account_id") == account
    )  # fmt: skip


RESOURCES = (
    "customers", "products", "prices", "coupons", "promotion_codes", "tax_rates", "subscription_schedules", "invoices", "invoiceitems",
    "charges", "refunds", "credit_notes", "disputes", "payouts", "balance_transactions", "events",
)  # fmt: skip


@pytest.mark.parametrize("resource", RESOURCES)
def test_every_list_pages_through_all_newest_first(api, world, resource):
    found = walk(api, f"/v1/{resource}", limit=100)
    created = [obj.get("created", obj.get("date")) for obj in found]
    assert created == sorted(created, reverse=True)
    if resource == "events":
        assert [event["id"] for event in found] == [event["id"] for event in world.events][::-1]
        return
    kind = found[0]["object"]
    expected = {
        id_ for type_, id_, _, _, deleted, _ in world.objects if type_ == kind and not deleted
    }
    assert {obj["id"] for obj in found} == expected
    assert len(found) == len(expected)


def test_backwards_is_the_reverse_of_forwards(api):
    forwards = [obj["id"] for obj in walk(api, "/v1/charges", limit=50)]
    last = forwards[-1]
    backwards = [
        obj["id"] for obj in walk(api, "/v1/charges", "ending_before", limit=33, ending_before=last)
    ]
    assert backwards == forwards[-2::-1]


def test_created_bounds(api):
    at = int(datetime(2024, 3, 1, tzinfo=UTC).timestamp())
    before = walk(api, "/v1/invoices", limit=100, **{"created[lt]": at})
    after = walk(api, "/v1/invoices", limit=100, **{"created[gte]": at})
    assert all(obj["created"] < at for obj in before)
    assert len(before) + len(after) == len(walk(api, "/v1/invoices", limit=100))


def test_subscriptions_hide_what_is_canceled_unless_asked(api):
    shown = walk(api, "/v1/subscriptions", limit=100)
    everything = walk(api, "/v1/subscriptions", limit=100, status="all")
    assert "canceled" not in {obj["status"] for obj in shown}
    assert {obj["id"] for obj in shown} < {obj["id"] for obj in everything}
    canceled = walk(api, "/v1/subscriptions", limit=100, status="canceled")
    assert {obj["status"] for obj in canceled} == {"canceled"}


def test_event_types(api):
    pairs = [("types[]", "credit_note.created"), ("types[]", "refund.created")]
    found = api.get("/v1/events", params=[*pairs, ("limit", "100")]).json()["data"]
    assert {event["type"] for event in found} == {"credit_note.created", "refund.created"}
    starred = walk(api, "/v1/events", limit=100, type="charge.dispute.*")
    assert all(event["type"].startswith("charge.dispute.") for event in starred)
    assert starred


def test_discounts_are_ids_until_expanded(api, world):
    customer = named(world, "acc_odd_coupon_stacked")["id"]
    url = "/v1/subscriptions"
    plain = api.get(url, params={"customer": customer}).json()["data"][0]
    assert plain["discounts"][0].startswith("di_")
    expand = ["data.discounts.source.coupon", "data.items.data.discounts"]
    full = api.get(url, params={"customer": customer, "expand[]": expand}).json()["data"][0]
    assert full["discounts"][0]["source"]["coupon"]["amount_off"] == 2000
    assert full["items"]["data"][0]["discounts"][0]["source"]["coupon"] == "forever10"


def test_what_must_be_asked_for(api):
    price = api.get("/v1/prices", params={"limit": 100}).json()["data"]
    assert not any("tiers" in obj or "currency_options" in obj for obj in price)
    expand = {"limit": 100, "expand[]": ["data.tiers", "data.currency_options"]}
    prices = {obj["lookup_key"]: obj for obj in api.get("/v1/prices", params=expand).json()["data"]}
    assert [tier["up_to"] for tier in prices["team_graduated_usd"]["tiers"]] == [5, 20, None]
    assert prices["team_month_options"]["currency_options"]["eur"]["unit_amount"] == 900
    coupons = walk(api, "/v1/coupons", limit=100, **{"expand[]": "data.applies_to"})
    limited = [coupon["id"] for coupon in coupons if "applies_to" in coupon]
    assert limited == ["support25"]


def test_payments_lead_from_an_invoice_to_its_charge(api):
    invoices = walk(api, "/v1/invoices", limit=100, status="paid", **{"expand[]": "data.payments"})
    # all attempts share an intent: the one that succeeded paid
    charges = {
        c["payment_intent"]: c
        for c in walk(api, "/v1/charges", limit=100)
        if c["status"] == "succeeded"
    }
    paid = [invoice for invoice in invoices if invoice["amount_paid"]]
    assert paid
    for invoice in paid:
        payment = invoice["payments"]["data"][0]
        assert charges[payment["payment"]["payment_intent"]]["amount"] == invoice["amount_paid"]


def test_lines_beyond_ten_are_asked_for(api, world):
    customer = named(world, "acc_odd_many_lines")["id"]
    invoice = api.get("/v1/invoices", params={"customer": customer}).json()["data"][0]
    assert (len(invoice["lines"]["data"]), invoice["lines"]["has_more"]) == (10, True)
    url = f"/v1/invoices/{invoice['id']}/lines"
    assert len(api.get(url, params={"limit": 100}).json()["data"]) == 12
    lines = walk(api, url, limit=5)
    assert [line["amount"] for line in lines] == [100 * n for n in range(1, 13)]


def test_items_of_a_subscription(api, world):
    customer = named(world, "acc_odd_coupon_spread")["id"]
    subscription = api.get("/v1/subscriptions", params={"customer": customer}).json()["data"][0][
        "id"
    ]
    items = walk(api, "/v1/subscription_items", subscription=subscription, limit=2)
    assert len(items) == 3
    assert api.get("/v1/subscription_items").json()["error"]["code"] == "parameter_missing"


def test_a_schedules_phases_with_their_coupons(api, world):
    customer = named(world, "acc_odd_schedule_ends")["id"]
    params = {"customer": customer, "expand[]": "data.phases.discounts.coupon"}
    (schedule,) = api.get("/v1/subscription_schedules", params=params).json()["data"]
    assert schedule["phases"][0]["discounts"][0]["coupon"]["percent_off"] == 10
    url = f"/v1/subscriptions/{schedule['subscription']}"
    subscription = api.get(url, params={"expand[]": "schedule"}).json()
    assert subscription["schedule"]["id"] == schedule["id"]


def test_a_payouts_own_transactions(api):
    payout = api.get("/v1/payouts", params={"limit": 1}).json()["data"][0]
    found = walk(api, "/v1/balance_transactions", limit=100, payout=payout["id"])
    assert sum(t["net"] for t in found if t["type"] != "payout") == payout["amount"]


def test_a_deleted_customer_is_told_by_id_and_in_no_list(api, world):
    gone = next(
        id_ for kind, id_, _, _, deleted, _ in world.objects if kind == "customer" and deleted
    )
    assert api.get(f"/v1/customers/{gone}").json() == {
        "id": gone,
        "object": "customer",
        "deleted": True,
    }
    assert gone not in {obj["id"] for obj in walk(api, "/v1/customers", limit=100)}
    told = walk(api, "/v1/events", type="customer.deleted")
    assert told[0]["data"]["object"]["metadata"] == {"account_id": "acc_odd_deleted"}


def test_one_test_mode_object_leaks(api):
    leaked = [obj for obj in walk(api, "/v1/customers", limit=100) if not obj["livemode"]]
    assert [obj["metadata"]["account_id"] for obj in leaked] == ["acc_odd_test_mode"]


@pytest.mark.parametrize(
    ("url", "status", "code", "param"),
    [
        ("/v1/customers/cus_none", 404, "resource_missing", "id"),
        ("/v1/invoices/in_none/lines", 404, "resource_missing", "id"),
        ("/v1/nothing", 404, None, None),
        ("/v1/invoices?limit=0", 400, "parameter_invalid_integer", "limit"),
        ("/v1/invoices?limit=101", 400, "parameter_invalid_integer", "limit"),
        ("/v1/invoices?limit=ten", 400, "parameter_invalid_integer", "limit"),
        ("/v1/invoices?created[gte]=soon", 400, "parameter_invalid_integer", "created[gte]"),
        ("/v1/invoices?colour=red", 400, "parameter_unknown", "colour"),
        ("/v1/invoices?starting_after=in_none", 400, "resource_missing", "starting_after"),
        ("/v1/invoices?expand[]=payments", 400, "property_cannot_be_expanded", "expand"),
        ("/v1/invoices?expand[]=data.a.b.c.d", 400, None, "expand"),
        ("/v1/invoices?expand[]=data.nothing", 400, "property_cannot_be_expanded", "expand"),
        ("/v1/events?types[]=a&starting_after=a&ending_before=b", 400, None, "ending_before"),
    ],
)
def test_errors_have_stripes_shape(api, url, status, code, param):
    answer = api.get(url)
    error = answer.json()["error"]
    assert (answer.status_code, error.get("code"), error.get("param")) == (status, code, param)
    assert error["type"] == "invalid_request_error"
    assert error["message"]


def test_keys(store):
    app = create_app(store, lambda: NOW, keys={KEY}, rate_limit_every=None)
    nobody = TestClient(app)
    assert nobody.get("/v1/account").status_code == 401
    wrong = nobody.get("/v1/account", headers={"Authorization": "Bearer sk_live_somebody_else"})
    assert wrong.status_code == 401
    assert "somebody" not in wrong.text
    assert nobody.get("/v1/account", auth=(KEY, "")).status_code == 200


def test_headers_carry_the_sandboxs_clock(api):
    answer = api.get("/v1/account", headers={"Stripe-Version": "2026-10-28.endive"})
    assert answer.headers["Date"] == "Mon, 01 Jul 2024 00:00:00 GMT"
    assert answer.headers["Stripe-Version"] == "2026-10-28.endive"
    assert answer.headers["Request-Id"].startswith("req_")


def test_every_so_many_requests_are_too_many(store):
    api = TestClient(create_app(store, lambda: NOW, keys={KEY}, rate_limit_every=3), headers=LIVE)
    answers = [api.get("/v1/account") for _ in range(9)]
    assert [answer.status_code for answer in answers] == [200, 200, 429] * 3
    assert answers[2].json()["error"]["code"] == "rate_limit"
    assert ["Retry-After" in answer.headers for answer in answers[2::3]] == [False, False, True]


def test_events_are_forgotten_like_stripe_does(store):
    app = create_app(store, lambda: NOW, keys={KEY}, rate_limit_every=None, event_retention_days=30)
    api = TestClient(app, headers=LIVE)
    events = walk(api, "/v1/events", limit=100)
    assert min(event["created"] for event in events) >= NOW.timestamp() - 30 * 86_400
    old = api.get("/v1/customers", params={"limit": 100}).json()["data"]
    assert old


def test_the_real_client_reads_it(store):
    app = create_app(store, lambda: NOW, keys={KEY}, rate_limit_every=4)
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", date_header=False))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        client = stripe.StripeClient(
            KEY,
            base_addresses={"api": f"http://127.0.0.1:{listener.getsockname()[1]}"},
            max_network_retries=2,
        )
        params = {"limit": 100, "status": "all", "expand": ["data.discounts"]}
        found = list(client.v1.subscriptions.list(params).auto_paging_iter())
        assert len(found) == len({subscription.id for subscription in found}) > 60
        invoice = client.v1.invoices.list({"limit": 1}).data[0]
        assert invoice.lines.data[0].parent.type in {
            "subscription_item_details",
            "invoice_item_details",
        }
        with pytest.raises(stripe.InvalidRequestError, match="No such customer"):
            client.v1.customers.retrieve("cus_none")
    finally:
        server.should_exit = True
        thread.join(10)
        listener.close()
