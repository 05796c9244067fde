"""Stripe misbehaves: each fault is outlived, or ends in one clear line and INCOMPLETE."""

from __future__ import annotations

import logging
import time

import pytest

from ingestion.sources.stripe.source import StripeSource
from tests.ingestion.sources.connectors import catalog_of, run
from tests.ingestion.sources.fake_stripe import error, times

T = 1_750_000_000
LIMITED = error(429, "Too many requests", kind="rate_limit_error", code="rate_limit")


@pytest.fixture(autouse=True)
def three_customers(stripe):
    for n in range(3):
        stripe.add("customers", T + n, f"cus_{n}")


def test_429_without_retry_after_is_waited_out(stripe, sync):
    stripe.faults.append(times(3, LIMITED, "/v1/customers"))
    found = sync("customers")
    assert len(found.ids("customers")) == 3
    # the runner takes a 4xx in a log about an empty stream for a swallowed refusal
    assert not any("429" in line for line in found.logs)


def test_429_with_retry_after_is_waited_for_as_long_as_asked(stripe, sync):
    stripe.faults.append(
        times(1, error(429, "slow", headers={"Retry-After": "1"}), "/v1/customers")
    )
    started = time.monotonic()
    assert len(sync("customers").ids("customers")) == 3
    assert time.monotonic() - started >= 1


def test_retry_after_counts_even_when_the_body_is_not_stripes(stripe, sync):
    stripe.faults.append(
        times(1, (503, {"Retry-After": "1"}, b"<html>busy</html>"), "/v1/customers")
    )
    started = time.monotonic()
    assert len(sync("customers").ids("customers")) == 3
    assert time.monotonic() - started >= 1


def test_an_hours_pause_is_not_waited_for(stripe, sync):
    stripe.faults.append(
        times(1, error(429, "slow", headers={"Retry-After": "3600"}), "/v1/customers")
    )
    found = sync("customers")
    assert found.code == 1
    assert "3600" in found.error()
    assert found.errors[0]["failure_type"] == "transient_error"


@pytest.mark.parametrize("status", [500, 502, 503, 409])
def test_flapping_is_outlived(stripe, sync, status):
    calls = []

    def flap(path, query):
        calls.append(path)
        return error(status, "try again", kind="api_error") if len(calls) % 2 else None

    stripe.faults.append(flap)
    found = sync("customers", "products", "events")
    assert found.code == 0
    assert len(found.ids("customers")) == 3


def test_what_never_recovers_ends_in_one_line(stripe, sync):
    stripe.faults.append(
        lambda path, query: error(500, "down", kind="api_error") if "customers" in path else None
    )
    found = sync("customers", "products", max_attempts=3)
    assert found.code == 1
    assert "customers: Stripe did not answer /v1/customers in 3 tries: status 500" in found.error()
    assert found.statuses["customers"][-1] == "INCOMPLETE"
    assert "products" not in found.statuses


def test_a_time_out_in_the_middle_is_tried_again(stripe, sync):
    def slow(path, query):
        if path == "/v1/customers" and stripe.paths().count(path) == 1:
            time.sleep(0.6)

    stripe.faults.append(slow)
    assert len(sync("customers", request_timeout_seconds=0.3).ids("customers")) == 3


def test_a_dropped_connection_is_tried_again(stripe, sync):
    stripe.faults.append(times(2, "hang up", "/v1/customers"))
    assert len(sync("customers").ids("customers")) == 3


def test_html_with_status_200_is_an_error(stripe, sync):
    page = (200, {"Content-Type": "text/html"}, b"<html>Sign in to the Wi-Fi</html>")
    stripe.faults.append(lambda path, query: page if "customers" in path else None)
    found = sync("customers", max_attempts=3)
    assert found.code == 1
    assert "not JSON" in found.error()


def test_html_once_is_outlived(stripe, sync):
    stripe.faults.append(times(1, (200, {"Content-Type": "text/html"}, b"<html>"), "/v1/customers"))
    assert len(sync("customers").ids("customers")) == 3


def test_a_key_that_is_revoked_in_the_middle_ends_in_one_config_error(stripe, sync):
    for n in range(250):
        stripe.add("customers", T + 10 + n)
    stripe.faults.append(
        lambda path, query: error(401, "Expired API Key") if "starting_after" in query else None
    )
    found = sync()
    assert found.code == 1
    assert "401" in found.error()
    assert "STRIPE_API_KEY" in found.error()
    assert found.errors[0]["failure_type"] == "config_error"
    assert found.statuses["customers"][-1] == "INCOMPLETE"


def test_a_key_that_may_not_read_one_stream_reads_the_others(stripe, sync):
    stripe.faults.append(
        lambda path, query: (
            error(403, "no permission") if path in ("/v1/payouts", "/v1/disputes") else None
        )
    )
    found = sync()
    assert found.code == 1
    assert "payouts" in found.error()
    assert "disputes" in found.error()
    assert found.statuses["payouts"][-1] == found.statuses["disputes"][-1] == "INCOMPLETE"
    assert found.statuses["events"][-1] == found.statuses["balance_transactions"][-1] == "COMPLETE"


def test_a_redirect_is_not_followed(stripe, sync):
    stripe.faults.append(
        lambda path, query: (
            (302, {"Location": "http://127.0.0.1:9/x"}, b"") if "customers" in path else None
        )
    )
    found = sync("customers", max_attempts=2)
    assert found.code == 1
    assert "redirect" in found.error()


@pytest.mark.parametrize(
    "base",
    [
        "https://api.stripe.com.evil.example",
        "http://api.stripe.com",
        "ftp://127.0.0.1",
        "https://user@api.stripe.com",
        "nonsense",
        "http://10.0.0.1",
    ],
)
def test_the_key_goes_to_stripe_or_to_this_machine_only(stripe, sync, base):
    found = sync("customers", api_base=base)
    assert found.code == 1
    assert "not allowed" in found.error()


def test_a_window_that_is_none_is_refused(stripe, sync):
    found = sync("customers", window_from="2025-02-01", window_to="2025-01-01")
    assert "window_from" in found.error()
    assert "ISO 8601" in sync("customers", start_date="soon").error()


def test_an_unknown_stream_is_refused(stripe, sync):
    assert "no stream quotes" in sync("quotes").error()


def test_the_connector_as_a_process(stripe, tmp_path):
    # check and read by the command line, as the runner starts them (each start costs 3 s)
    config = stripe.config(as_of="2025-07-01T00:00:00Z")
    check = run("stripe", "check", tmp_path, config)
    assert check.messages[-1]["connectionStatus"]["status"] == "SUCCEEDED"
    assert "test mode" in check.messages[-1]["connectionStatus"]["message"]
    read = run("stripe", "read", tmp_path, config, catalog_of("customers"))
    assert (read.code, len(read.ids("customers")), read.stderr) == (0, 3, "")


def test_check_says_what_is_wrong(stripe):
    result = StripeSource().check(logging.getLogger(), stripe.config(api_key="sk_test_nope"))
    assert result.status.value == "FAILED"
    assert "STRIPE_API_KEY" in result.message


def test_spec_and_catalog(stripe):
    source = StripeSource()
    spec = source.spec(logging.getLogger()).connectionSpecification
    assert spec["properties"]["api_key"]["airbyte_secret"] is True
    streams = {
        stream.name: stream
        for stream in source.discover(logging.getLogger(), stripe.config()).streams
    }
    assert len(streams) == 18
    assert all(stream.source_defined_primary_key == [["id"]] for stream in streams.values())
    for name, amount in (
        ("charges", "amount"),
        ("invoices", "total"),
        ("balance_transactions", "net"),
    ):
        assert streams[name].json_schema["properties"][amount]["type"] == ["null", "integer"]
    for stream in streams.values():
        assert "id" in stream.json_schema["required"]
        assert "deleted" in stream.json_schema["properties"] or stream.name in (
            "events",
            "balance_transactions",
        )
