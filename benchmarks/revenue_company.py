"""A company of many subscriptions, made by SQL: what a Stripe account of that size would land.

Every subscription's whole life (trial, renewals, one upgrade, dunning, cancellation) follows from its number, so that
what is landed on a day is the state of that day and the events since the day before. Objects have the
sandbox's shapes (`sandbox.billing.shapes`), with placeholders that SQL fills in.

Reads: nothing.
Writes: `landing/stripe.duckdb`, `landing/inputs.duckdb` of a data folder.
Run: by `benchmarks/revenue.py`.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

from ingestion.destination.opening import ensure, opened
from sandbox.billing import shapes
from warehouse.settings import Settings
from warehouse.sources import SOURCES

Object = dict[str, Any]

#: Stripe keeps events for 30 days: a first sync finds no older ones.
EVENTS_REACH_BACK = timedelta(days=30)
AMOUNTS = (2_900, 4_900, 9_900, 19_900, 49_900, 99_900)

_PLACE = re.compile(r'"«([#!])([^»]+)»"|«([^»]+)»')


def number(expression: str) -> Any:
    """A place for a number, a flag or null."""
    return f"«#{expression}»"


def raw(expression: str) -> Any:
    """A place for JSON text."""
    return f"«!{expression}»"


def text(expression: str) -> str:
    """A place for text inside a string."""
    return f"«{expression}»"


def sql_of(template: Any) -> str:
    """An SQL expression of the JSON text of a template.

    Args:
        template: A JSON value that may hold places made by `number`, `raw` and `text`.
    """
    parts: list[str] = []
    written = json.dumps(template, ensure_ascii=False, separators=(",", ":"))
    end = 0
    for place in _PLACE.finditer(written):
        parts.append("'" + written[end : place.start()].replace("'", "''") + "'")
        kind, value, inner = (part and json.loads(f'"{part}"') for part in place.groups())
        if kind == "#":
            parts.append(f"coalesce(cast({value} as varchar), 'null')")
        elif kind == "!":
            parts.append(f"({value})")
        else:
            parts.append(f"cast({inner} as varchar)")
        end = place.end()
    parts.append("'" + written[end:].replace("'", "''") + "'")
    return "(" + " || ".join(parts) + ")"


def seconds(instant: str) -> str:
    """Unix seconds of a TIMESTAMP expression."""
    return f"cast(epoch({instant}) as bigint)"


@dataclass(frozen=True)
class Company:
    """What the company is.

    Attributes:
        subscriptions: How many start within `years`.
        years: How old the company is at `now`.
        days: How many more days can be landed.
        now: The end of its history.
    """

    subscriptions: int
    years: int
    days: int
    now: datetime

    @property
    def begin(self) -> datetime:
        """When the first subscription starts."""
        return self.now.replace(year=self.now.year - self.years)


# the share of a number's hash: 0 <= u < 1, its own for every question
_CHANCE = "create or replace temp macro u(n, question) as (hash(n * 1000 + question) % 1000000) / 1000000.0"

_LIVES = """
create or replace temp table lives as
with born as (
    select
        i,
        -- one in twenty is its customer's second subscription
        case when i % 20 = 7 then i - 1 else i end as c,
        date_trunc('second', timestamp '{begin}' + to_seconds(i * {step})) as started_at,
        u(i, 1) < 0.1 as has_trial,
        u(i, 2) < 0.15 as is_annual,
        i % 5 as plan,
        1 + i % 4 as seats
    from range({count}) as numbers(i)
),
timed as (
    select
        *,
        case when u(c, 7) < 0.2 then 'eur' else 'usd' end as currency,
        case when u(c, 7) < 0.1 then 19 else 0 end as tax_percent,
        case when has_trial then started_at + interval 14 day else started_at end as first_at,
        case when is_annual then 12 * (1 + floor(ln(greatest(u(i, 3), 1e-6)) / ln(0.75)))
            else 1 + floor(ln(greatest(u(i, 3), 1e-6)) / ln(0.97)) end as months
    from born
)
select
    *,
    case when months < 60 then first_at + to_months(cast(months as integer)) end as ended_at,
    case when months < 60 then first_at + to_months(cast(months as integer)) - interval 12 day end as asked_at,
    case when u(i, 4) < 0.3 and u(i, 5) * 12 + 2 < months
        then first_at + to_months(1 + cast(floor(u(i, 5) * 12) as integer)) + interval 10 day end as upgraded_at,
    case when u(i, 6) < 0.1 then 'repeating' when u(i, 6) < 0.15 then 'forever' end as discount
from timed
"""

_BILLS = """
create or replace temp table bills as
with periods as (
    select
        *,
        unnest(range(cast(least(
            case when is_annual then 6 else 60 end, ceil(months / (case when is_annual then 12 else 1 end))
        ) as integer))) as k
    from lives
),
dated as (
    select
        * exclude (k),
        cast(k as integer) as k,
        first_at + to_months(cast(k * case when is_annual then 12 else 1 end as integer)) as period_start,
        first_at + to_months(cast((k + 1) * case when is_annual then 12 else 1 end as integer)) as period_end
    from periods
    where first_at + to_months(cast(k * case when is_annual then 12 else 1 end as integer)) < timestamp '{horizon}'
),
priced as (
    select
        *,
        i || '_' || k as bill,
        case when upgraded_at < period_start then plan + 1 else plan end as plan_now,
        coalesce(upgraded_at >= period_start - to_months(case when is_annual then 12 else 1 end)
            and upgraded_at < period_start and k > 0, false) as is_prorated,
        case when discount = 'forever' then 10
            when discount = 'repeating' and period_start < first_at + interval 3 month then 20 else 0 end as percent_off,
        -- of a hundred: two are paid late, one of two hundred is voided, one written off
        u(i * 64 + k, 8) as fate
    from dated
),
summed as (
    select
        *,
        {amounts}[plan_now + 1] * seats * case when is_annual then 10 else 1 end as base,
        case when is_prorated then {amounts}[plan + 1] * seats * 2 // 3 else 0 end as given_back,
        case when is_prorated then {amounts}[plan + 2] * seats * 2 // 3 else 0 end as asked_for
    from priced
),
taxed as (
    select
        *,
        cast(base * percent_off // 100 as bigint) as off,
        cast(round((base - base * percent_off // 100) * tax_percent / 100.0) as bigint) as base_tax,
        cast(round(given_back * tax_percent / 100.0) as bigint) as back_tax,
        cast(round(asked_for * tax_percent / 100.0) as bigint) as asked_tax
    from summed
)
select
    *,
    base - off - given_back + asked_for as net,
    base_tax - back_tax + asked_tax as tax,
    base - off - given_back + asked_for + base_tax - back_tax + asked_tax as total,
    period_start + interval 1 hour as finalized_at,
    case when fate < 0.005 then period_start + interval 5 day end as voided_at,
    case when fate >= 0.005 and fate < 0.01 then period_start + interval 20 day end as given_up_at,
    case when fate < 0.01 then null when fate < 0.03 then period_start + interval 9 day else period_start + interval 1 hour end
        as paid_at,
    case when u(i * 64 + k, 9) < 0.005 then period_start + interval 6 day end as refunded_at,
    case when u(i * 64 + k, 9) between 0.005 and 0.008 then period_start + interval 7 day end as credited_at,
    case when u(i * 64 + k, 9) between 0.008 and 0.009 then period_start + interval 12 day end as disputed_at
from taxed
"""


def _item(period_start: str, period_end: str) -> Object:
    item = shapes.subscription_item(
        text("'si_' || i"), text("'sub_' || i"), number(seconds("started_at")), 1
    )
    item["quantity"] = number("seats")
    item["current_period_start"] = number(seconds(period_start))
    item["current_period_end"] = number(seconds(period_end))
    item["price"] = raw("price_json")
    return item


def _subscription(when: str) -> Object:
    """A subscription as it stands at an instant (columns of `lives`, `when`, its period, `price_json`, `is_late`)."""
    thing = shapes.subscription(
        text("'sub_' || i"), text("'cus_' || c"), 0, text("currency"), livemode=True, key=text("i")
    )
    asked = f"coalesce(asked_at <= {when} and {when} < ended_at, false)"
    ended = f"coalesce(ended_at <= {when}, false)"
    return thing | {
        "billing_cycle_anchor": number(seconds("first_at")),
        "created": number(seconds("started_at")),
        "start_date": number(seconds("started_at")),
        "trial_start": number(f"case when has_trial then {seconds('started_at')} end"),
        "trial_end": number(f"case when has_trial then {seconds('first_at')} end"),
        "cancel_at_period_end": number(asked),
        "canceled_at": number(f"case when asked_at <= {when} then {seconds('asked_at')} end"),
        "cancel_at": number(f"case when {asked} then {seconds('ended_at')} end"),
        "ended_at": number(f"case when {ended} then {seconds('ended_at')} end"),
        "cancellation_details": {
            "comment": None,
            "feedback": None,
            "reason": raw(
                f"case when asked_at <= {when} then '\"cancellation_requested\"' else 'null' end"
            ),
        },
        "status": text(
            f"case when {ended} then 'canceled' when {when} < first_at then 'trialing' "
            "when is_late then 'past_due' else 'active' end"
        ),
        "items": shapes.list_of([_item("period_start", "period_end")], "/v1/subscription_items"),
        "discounts": raw(
            "case when discount = 'forever' or (discount = 'repeating' and "
            f"{when} < first_at + interval 3 month) then '[' || {sql_of(_discount())} || ']' else '[]' end"
        ),
    }


def _discount() -> Object:
    thing = shapes.discount(
        text("'di_' || i"), text("discount || '_off'"), text("'cus_' || c"), 0, None, subscription=text("'sub_' || i")
    )  # fmt: skip
    return thing | {
        "start": number(seconds("started_at")),
        "end": number(
            f"case when discount = 'repeating' then {seconds('first_at + interval 3 month')} end"
        ),
    }


def _price() -> Object:
    amounts = f"{list(AMOUNTS)}[plan_now + 1] * case when is_annual then 10 else 1 end"
    return {
        "id": text("'price_' || plan_now || case when is_annual then 'y' else 'm' end"),
        "object": "price",
        "active": True,
        "billing_scheme": "per_unit",
        "created": 1_500_000_000,
        "currency": "usd",
        "livemode": True,
        "lookup_key": None,
        "metadata": {},
        "nickname": None,
        "product": text("'prod_' || plan_now"),
        "recurring": {
            "interval": text("case when is_annual then 'year' else 'month' end"),
            "interval_count": 1,
            "meter": None,
            "usage_type": "licensed",
        },
        "tax_behavior": "exclusive",
        "tiers_mode": None,
        "transform_quantity": None,
        "type": "recurring",
        "unit_amount": number(amounts),
        "unit_amount_decimal": text(amounts),
    }


def _line(name: str, amount: str, off: str, tax: str, *, proration: bool, plan: str) -> Object:
    line = shapes.invoice_line(
        text(f"'il_{name}' || bill"), text("'in_' || bill"), text("currency"), 0, "Plan"
    )
    start = "upgraded_at" if proration else "period_start"
    end = "period_start" if proration else "period_end"
    taxed = shapes.tax(0, inclusive=False, rate_id="txr_19", taxable=0)
    taxed |= {"amount": number(tax), "taxable_amount": number(f"{amount} - {off}")}
    discount_amounts = sql_of([{"amount": number(off), "discount": text("'di_' || i")}])
    return line | {
        "amount": number(amount),
        "subtotal": number(amount),
        "discount_amounts": raw(f"case when {off} > 0 then {discount_amounts} else '[]' end"),
        "parent": {
            "invoice_item_details": None,
            "subscription_item_details": {
                "invoice_item": None,
                "proration": proration,
                "proration_details": None,
                "subscription": text("'sub_' || i"),
                "subscription_item": text("'si_' || i"),
            },
            "type": "subscription_item_details",
        },
        "period": {"start": number(seconds(start)), "end": number(seconds(end))},
        "pricing": {
            "price_details": {
                "price": text(f"'price_' || {plan} || case when is_annual then 'y' else 'm' end"),
                "product": text(f"'prod_' || {plan}"),
            },
            "type": "price_details",
            "unit_amount_decimal": text(f"{amount} // seats"),
        },
        "quantity": number("seats"),
        "quantity_decimal": text("seats"),
        "taxes": raw(f"case when tax_percent > 0 then {sql_of([taxed])} else '[]' end"),
    }


def _invoice(when: str) -> Object:
    """An invoice as it stands at an instant (columns of `bills`, and `when`)."""
    customer = {"id": text("'cus_' || c"), "email": text("'billing@' || c || '.example'"), "name": text("'Customer ' || c"), "livemode": True}  # fmt: skip
    thing = shapes.invoice(text("'in_' || bill"), customer, 0, text("currency"), "subscription_cycle")  # fmt: skip
    base = sql_of(_line("", "base", "off", "base_tax", proration=False, plan="plan_now"))
    back = sql_of(_line("b", "-given_back", "0", "-back_tax", proration=True, plan="plan"))
    asked = sql_of(_line("a", "asked_for", "0", "asked_tax", proration=True, plan="plan + 1"))
    payment = shapes.invoice_payment(
        text("'inpay_' || bill"), text("'in_' || bill"), 0, text("currency"), 0, intent=text("'pi_' || bill"),
    )  # fmt: skip
    payment |= {
        "amount_paid": number("total"),
        "amount_requested": number("total"),
        "created": number(seconds("paid_at")),
        "status": "paid",
        "status_transitions": {"canceled_at": None, "paid_at": number(seconds("paid_at"))},
    }
    taxed = shapes.tax(0, inclusive=False, rate_id="txr_19", taxable=0)
    taxed |= {"amount": number("tax"), "taxable_amount": number("net")}
    paid = f"coalesce(paid_at <= {when}, false)"

    def reached(instant: str) -> Any:
        return number(f"case when {instant} <= {when} then {seconds(instant)} end")

    return thing | {
        "amount_due": number("total"),
        "amount_paid": number(f"case when {paid} then total else 0 end"),
        "amount_remaining": number(
            f"case when {paid} or voided_at <= {when} then 0 else total end"
        ),
        "attempt_count": number(f"case when {when} >= finalized_at then 1 else 0 end"),
        "attempted": number(f"{when} >= finalized_at"),
        "billing_reason": text(
            "case when k = 0 then 'subscription_create' else 'subscription_cycle' end"
        ),
        "created": number(seconds("period_start")),
        "effective_at": reached("finalized_at"),
        "number": text("'N-' || bill"),
        "period_start": number(seconds("period_start")),
        "period_end": number(seconds("period_start")),
        "lines": shapes.list_of([], "/v1/invoices/lines")
        | {
            "data": raw(
                f"'[' || {base} || case when is_prorated then ',' || {back} || ',' || {asked} else '' end || ']'"
            ),
            "total_count": number("case when is_prorated then 3 else 1 end"),
        },
        "parent": {
            "quote_details": None,
            "subscription_details": {"metadata": {}, "subscription": text("'sub_' || i")},
            "type": "subscription_details",
        },
        "payments": shapes.list_of([], "/v1/invoice_payments")
        | {"data": raw(f"case when {paid} then '[' || {sql_of(payment)} || ']' else '[]' end")},
        "status": text(
            f"case when {when} < finalized_at then 'draft' when voided_at <= {when} then 'void' "
            f"when given_up_at <= {when} then 'uncollectible' when {paid} then 'paid' else 'open' end"
        ),
        "status_transitions": {
            "finalized_at": reached("finalized_at"),
            "marked_uncollectible_at": reached("given_up_at"),
            "paid_at": reached("paid_at"),
            "voided_at": reached("voided_at"),
        },
        "subtotal": number("base - given_back + asked_for"),
        "subtotal_excluding_tax": number("base - given_back + asked_for"),
        "total": number("total"),
        "total_excluding_tax": number("net"),
        "total_taxes": raw(f"case when tax_percent > 0 then {sql_of([taxed])} else '[]' end"),
        "webhooks_delivered_at": number(seconds("period_start")),
    }


def _charge(when: str) -> Object:
    customer = {"id": text("'cus_' || c"), "email": text("'billing@' || c || '.example'"), "name": text("'Customer ' || c"), "livemode": True}  # fmt: skip
    thing = shapes.charge(
        text("'ch_' || bill"), customer, 0, text("currency"), 0, intent=text("'pi_' || bill"), last4="4242", failed=False,
    )  # fmt: skip
    return thing | {
        "amount": number("total"),
        "amount_captured": number("total"),
        "amount_refunded": number(
            f"case when refunded_at <= {when} then total // 2 when credited_at <= {when} then total else 0 end"
        ),
        "balance_transaction": text("'txn_' || bill"),
        "created": number(seconds("paid_at")),
        "disputed": number(f"coalesce(disputed_at <= {when}, false)"),
        "refunded": number(f"coalesce(credited_at <= {when}, false)"),
    }


def _failed_charge() -> Object:
    return _charge("paid_at") | {
        "id": text("'ch_f' || bill"),
        "created": number(seconds("finalized_at")),
        "amount_captured": 0,
        "amount_refunded": 0,
        "balance_transaction": None,
        "captured": False,
        "disputed": False,
        "failure_code": "card_declined",
        "failure_message": "Your card was declined.",
        "paid": False,
        "payment_intent": text("'pi_' || bill"),
        "refunded": False,
        "status": "failed",
    }


def _refund(amount: str, instant: str) -> Object:
    charge = {"id": text("'ch_' || bill"), "currency": text("currency"), "payment_intent": text("'pi_' || bill")}  # fmt: skip
    thing = shapes.refund(text("'re_' || bill"), charge, 0, 0, balance_transaction=text("'txn_r' || bill"))  # fmt: skip
    return thing | {"amount": number(amount), "created": number(seconds(instant))}


def _credit_note() -> Object:
    invoice = {"id": text("'in_' || bill"), "currency": text("currency"), "customer": text("'cus_' || c"), "livemode": True}  # fmt: skip
    note = shapes.credit_note(text("'cn_' || bill"), invoice, 0, text("'C-' || bill"))
    line = shapes.credit_note_line(text("'cnli_' || bill"), 0, invoice_line_id=text("'il_' || bill"))  # fmt: skip
    taxed = shapes.tax(0, inclusive=False, rate_id="txr_19", taxable=0)
    taxed |= {"amount": number("base_tax"), "taxable_amount": number("base - off")}
    taxes = raw(f"case when tax_percent > 0 then {sql_of([taxed])} else '[]' end")
    line |= {
        "amount": number("base"),
        "discount_amount": number("off"),
        "discount_amounts": [{"amount": number("off"), "discount": text("'di_' || i")}],
        "taxes": taxes,
    }
    return note | {
        "amount": number("base - off + base_tax"),
        "created": number(seconds("credited_at")),
        "effective_at": number(seconds("credited_at")),
        "lines": shapes.list_of([line], "/v1/credit_notes/lines"),
        "post_payment_amount": number("base - off + base_tax"),
        "refunds": [
            {"amount_refunded": number("base - off + base_tax"), "refund": text("'re_' || bill")}
        ],
        "subtotal": number("base"),
        "total": number("base - off + base_tax"),
        "total_excluding_tax": number("base - off"),
        "total_taxes": taxes,
    }


def _dispute(when: str) -> Object:
    charge = {"id": text("'ch_' || bill"), "currency": text("currency"), "payment_intent": text("'pi_' || bill")}  # fmt: skip
    lost = f"disputed_at + interval 15 day <= {when}"
    return shapes.dispute(text("'dp_' || bill"), charge, 0, 0, "") | {
        "amount": number("total"),
        "created": number(seconds("disputed_at")),
        "evidence_details": {"due_by": number(seconds("disputed_at + interval 10 day"))},
        "status": text(f"case when {lost} then 'lost' else 'needs_response' end"),
    }


def _balance_transaction(name: str, kind: str, amount: str, instant: str, source: str) -> Object:
    thing = shapes.balance_transaction(
        text(f"'txn_{name}' || bill"), 0, text("currency"), 0, 1,
        kind=kind, category=kind, source=text(source), available_on=0, exchange_rate=None,
    )  # fmt: skip
    fee = f"case when {amount} > 0 then 30 + {amount} * 29 // 1000 else 0 end"
    thing["fee_details"][0]["amount"] = number(fee)
    return thing | {
        "amount": number(amount),
        "available_on": number(seconds(f"{instant} + interval 2 day")),
        "created": number(seconds(instant)),
        "fee": number(fee),
        "net": number(f"{amount} - {fee}"),
    }


def _customer() -> Object:
    account = SimpleNamespace(
        country=text("case when tax_percent > 0 then 'DE' else 'US' end"), email=text("'billing@' || c || '.example'"),
        livemode=True, account_id=text("'acc_' || c"), stripe_metadata=True, name=text("'Customer ' || c"),
    )  # fmt: skip
    return shapes.customer(text("'cus_' || c"), account, 0) | {
        "created": number(seconds("started_at")),
        "currency": text("currency"),
        "invoice_prefix": text("c"),
    }


def _event(kind: str, key: str, instant: str, thing: str, previous: str | None = None) -> str:
    """SQL of an event's JSON; `thing` and `previous` are SQL of JSON text."""
    data: Object = {"object": raw(thing)}
    if previous is not None:
        data["previous_attributes"] = raw(previous)
    return sql_of(
        {
            "id": text(f"'evt_' || {key}"),
            "object": "event",
            "account": None,
            "api_version": shapes.API_VERSION,
            "created": number(seconds(instant)),
            "data": data,
            "livemode": True,
            "pending_webhooks": 0,
            "request": {"id": None, "idempotency_key": None},
            "type": kind,
        }
    )


def make_world(con: Any, company: Company) -> None:
    """Temp tables `lives` and `bills`: every subscription's and invoice's whole life, up to the last day.

    Args:
        con: An open landing file.
        company: What to make.
    """
    span = (company.now - company.begin).total_seconds()
    step = span / company.subscriptions
    horizon = company.now + timedelta(days=company.days)
    count = int((horizon - company.begin).total_seconds() / step)
    con.execute(_CHANCE)
    con.execute(_LIVES.format(begin=company.begin, step=f"{step:.6f}", count=count))
    con.execute(_BILLS.format(horizon=horizon, amounts=list(AMOUNTS)))


def _subscriptions_at(when: str, lives: str) -> str:
    """Subscriptions with what depends on the instant `when` (a column or literal) of `lives` (a relation)."""
    length = "case when is_annual then 12 else 1 end"
    return f"""
    select
        *,
        first_at + to_months(cast((cycle + 1) * {length} as integer)) as period_end,
        case when cycle < 0 then started_at else first_at + to_months(cast(cycle * {length} as integer)) end as period_start,
        coalesce(u(i * 64 + cycle, 8) between 0.01 and 0.03, false)
            and {when} >= first_at + to_months(cast(cycle * {length} as integer)) + interval 1 hour
            and {when} < first_at + to_months(cast(cycle * {length} as integer)) + interval 9 day as is_late,
        {sql_of(_price())} as price_json
    from (
        select
            *,
            case when upgraded_at <= {when} then plan + 1 else plan end as plan_now,
            cast(case when {when} < first_at then -1
                else datesub('month', first_at, least({when}, coalesce(ended_at - interval 1 second, {when}))) // ({length})
            end as integer) as cycle
        from {lives}
    ) as seen
    """


def _object_selects(since: datetime, until: datetime, *, first: bool) -> dict[str, list[str]]:
    """Per stream: selects of one JSON column, the records that a sync at `until` fetches."""
    now = f"timestamp '{until}'"

    def within(instant: str) -> str:
        return f"({instant} >= timestamp '{since}' and {instant} < {now})"

    def one_of(*instants: str) -> str:
        return " or ".join(within(instant) for instant in instants)

    changed = "true" if first else one_of("started_at", "upgraded_at", "asked_at", "ended_at")
    renewed = f"select i from bills where {one_of('period_start', 'paid_at')}"
    seen = f"(select * from lives where started_at < {now} and ({changed} or i in ({renewed})))"
    taken = sql_of(_balance_transaction("", "charge", "total", "paid_at", "'ch_' || bill"))
    returned = sql_of(
        _balance_transaction("r", "refund", "-(total // 2)", "refunded_at", "'re_' || bill")
    )
    touched = one_of("period_start", "finalized_at", "paid_at", "voided_at", "given_up_at")
    return {
        "customers": [f"select {sql_of(_customer())} from lives where c = i and {within('started_at')}"],
        "subscriptions": [
            f"select {sql_of(_subscription(now))} from ({_subscriptions_at(now, seen)}) as seen"
        ],
        "invoices": [f"select {sql_of(_invoice(now))} from bills where {touched}"],
        "charges": [
            f"select {sql_of(_charge(now))} from bills where paid_at < {now} and "
            f"({one_of('paid_at', 'refunded_at', 'credited_at', 'disputed_at')})",
            f"select {sql_of(_failed_charge())} from bills where paid_at > finalized_at and {within('finalized_at')}",
        ],
        "refunds": [
            f"select {sql_of(_refund('total // 2', 'refunded_at'))} from bills where paid_at < refunded_at and {within('refunded_at')}",
            f"select {sql_of(_refund('base - off + base_tax', 'credited_at'))} from bills "
            f"where paid_at < credited_at and not is_prorated and {within('credited_at')}",
        ],
        "credit_notes": [
            f"select {sql_of(_credit_note())} from bills where paid_at < credited_at and not is_prorated and {within('credited_at')}"
        ],
        "disputes": [
            f"select {sql_of(_dispute(now))} from bills where paid_at < disputed_at "
            f"and ({one_of('disputed_at', 'disputed_at + interval 15 day')})"
        ],
        "balance_transactions": [
            f"select {taken} from bills where {within('paid_at')}",
            f"select {returned} from bills where paid_at < refunded_at and {within('refunded_at')}",
        ],
    }  # fmt: skip


def _event_selects(since: datetime, until: datetime) -> list[str]:
    """Selects of one JSON column: what happened in [since, until)."""
    now = f"timestamp '{until}'"

    def within(instant: str) -> str:
        return f"({instant} >= timestamp '{since}' and {instant} < {now})"

    def about_subscription(
        kind: str, name: str, instant: str, lives: str, previous: Object | None
    ) -> str:
        looks = f"(select *, {instant} as looked_at from {lives} where {within(instant)})"
        thing = sql_of(_subscription("looked_at"))
        before = sql_of(previous) if previous is not None else None
        event = _event(kind, f"'{name}' || i || '_' || {seconds('looked_at')}", "looked_at", thing, before)  # fmt: skip
        return f"select {event} from ({_subscriptions_at('looked_at', looks)}) as looks"

    length = "to_months(case when is_annual then 12 else 1 end)"
    renewals = (
        "(select lives.*, bills.period_start as renewed_at, bills.paid_at, bills.finalized_at from lives "
        "inner join bills using (i) where {})"
    )
    one_back = {"items": shapes.list_of([_item(f"period_start - {length}", "period_start")], "/v1/subscription_items")}  # fmt: skip
    changes: list[str] = [
        about_subscription("customer.subscription.created", "sc", "started_at", "lives", None),
        about_subscription(
            "customer.subscription.updated", "sr", "renewed_at", renewals.format("bills.k > 0"), one_back,
        ),
        about_subscription(
            "customer.subscription.updated", "st", "first_at", "(select * from lives where has_trial)", {"status": "trialing"},
        ),
        about_subscription(
            "customer.subscription.updated", "su", "upgraded_at", "lives",
            {"items": raw(
                "'{\"data\":[' || " + sql_of(_item("period_start", "period_end") | {"price": raw(
                    "replace(price_json, '\"price_' || plan_now, '\"price_' || (plan_now - 1))"
                )}) + " || ']}'"
            )},
        ),
        about_subscription(
            "customer.subscription.updated", "sa", "asked_at", "lives",
            {"cancel_at_period_end": False, "canceled_at": None, "cancel_at": None, "cancellation_details": {"reason": None}},
        ),
        about_subscription(
            "customer.subscription.updated", "sl", "finalized_at", renewals.format("bills.paid_at > bills.finalized_at"),
            {"status": "active"},
        ),
        about_subscription(
            "customer.subscription.updated", "sp", "paid_at", renewals.format("bills.paid_at > bills.finalized_at"),
            {"status": "past_due"},
        ),
        about_subscription("customer.subscription.deleted", "sd", "ended_at", "lives", {}),
    ]  # fmt: skip
    for kind, name, instant in (
        ("invoice.created", "ic", "period_start"),
        ("invoice.finalized", "if", "finalized_at"),
        ("invoice.paid", "ip", "paid_at"),
        ("invoice.voided", "iv", "voided_at"),
        ("invoice.marked_uncollectible", "iu", "given_up_at"),
    ):
        event = _event(kind, f"'{name}' || bill", instant, sql_of(_invoice(instant)))
        changes.append(f"select {event} from bills where {within(instant)}")
    event = _event("charge.succeeded", "'cs' || bill", "paid_at", sql_of(_charge("paid_at")))
    changes.append(f"select {event} from bills where {within('paid_at')}")
    for kind, name, instant, thing in (
        ("charge.refunded", "cr", "refunded_at", _charge("refunded_at")),
        ("charge.dispute.created", "dc", "disputed_at", _dispute("disputed_at")),
        ("charge.dispute.closed", "dd", "disputed_at + interval 15 day", _dispute("disputed_at + interval 15 day")),
    ):  # fmt: skip
        event = _event(kind, f"'{name}' || bill", instant, sql_of(thing))
        paid = "refunded_at" if name == "cr" else "disputed_at"
        changes.append(f"select {event} from bills where paid_at < {paid} and {within(instant)}")
    event = _event("customer.created", "'cc' || c", "started_at", sql_of(_customer()))
    changes.append(f"select {event} from lives where c = i and {within('started_at')}")
    return changes


def land_catalogue(settings: Settings, company: Company) -> None:
    """Land products, prices, coupons, a tax rate, and a rate of exchange for every day."""
    for source in SOURCES:
        ensure(source, settings)
    horizon = company.now + timedelta(days=company.days + 1)
    eur = {"eur": {"unit_amount": number("cast(unit as bigint)"), "unit_amount_decimal": text("cast(unit as bigint)"), "tax_behavior": "exclusive"}}  # fmt: skip
    price = sql_of(_price() | {"currency_options": eur})
    coupon = {"id": text("duration || '_off'"), "object": "coupon", "created": 1_500_000_000, "livemode": True,
              "percent_off": number("percent"), "duration": text("duration"), "duration_in_months": number("months")}  # fmt: skip
    rate = {"date": text("day"), "base": "EUR", "quote": "USD", "rate": text("1.05 + (day_number % 11) * 0.01"), "source": "bench"}  # fmt: skip
    _land(
        settings,
        "stripe",
        company.now,
        {
            "products": ["select " + sql_of({"id": text("'prod_' || plan"), "object": "product", "active": True, "created": 1_500_000_000,
                "livemode": True, "name": text("'Plan ' || plan"), "metadata": {}}) + f" from range({len(AMOUNTS)}) as plans(plan)"],
            "prices": [f"select {price} from (select *, {list(AMOUNTS)}[plan_now + 1] * case when is_annual then 10 else 1 end as unit "
                f"from range({len(AMOUNTS)}) as plans(plan_now) cross join (values (true), (false)) as annual(is_annual)) as priced"],
            "coupons": [f"select {sql_of(coupon)} from (values ('repeating', 20, 3), ('forever', 10, null)) as t(duration, percent, months)"],
            "tax_rates": ["select " + sql_of({"id": "txr_19", "object": "tax_rate", "created": 1_500_000_000, "livemode": True,
                "percentage": 19.0, "inclusive": False, "display_name": "VAT"})],
        },
    )  # fmt: skip
    _land(
        settings,
        "inputs",
        company.now,
        {
            "fx_rates": [
                f"select {sql_of(rate)} from (select cast(day as date) as day, row_number() over () as day_number from "
                f"generate_series(timestamp '{company.begin}', timestamp '{horizon}', interval 1 day) as days(day)) as days"
            ]
        },
    )


def land_span(
    settings: Settings, company: Company, since: datetime, until: datetime
) -> dict[str, int]:
    """Land what a sync at `until` brings when the last one was at `since`; returns the rows by stream."""
    first = since <= company.begin
    selects = _object_selects(since, until, first=first)
    events_from = max(since, until - EVENTS_REACH_BACK)
    selects["events"] = _event_selects(events_from, until)
    return _land(settings, "stripe", until, selects, company)


def _land(
    settings: Settings,
    source: str,
    at: datetime,
    selects: dict[str, list[str]],
    company: Company | None = None,
) -> dict[str, int]:
    landed: dict[str, int] = {}
    with opened(source, settings) as landing:
        landing.con.execute("set preserve_insertion_order = false")
        if company is not None:
            make_world(landing.con, company)
        with landing.transaction() as load_id:
            for stream, parts in selects.items():
                for part in parts:
                    ((rows,),) = landing.con.execute(
                        f"insert into {landing.schema}.{stream} "
                        f"select json, {load_id:d}, timestamp '{at}', 0, row_number() over (), null from ({part}) as made(json)"
                    ).fetchall()
                    landed[stream] = landed.get(stream, 0) + rows
                landing.record_load(
                    load_id, stream, started_at=at, landed=landed[stream], quarantined=0, sync_id=load_id
                )  # fmt: skip
                landing.con.execute(
                    "delete from landing.complete_through where stream = ?", [stream]
                )
                landing.con.execute(
                    "insert into landing.complete_through values (?, ?)", [stream, at]
                )
    return landed
