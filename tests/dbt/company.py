"""The fixture company: six customers in January 2024, small enough to work every number out by hand.

- **Ada** (`acc_ada`, Team) uses the API from her second day on, has one ticket that is solved twice, logs in once.
- **Ben** (`acc_ben`) calls the API two batches before the product database names him: his calls stand under the unknown
  member first. His tier was changed, and the change log says so.
- **Cyd** (`acc_cyd`) was deleted and restored.
- **Dan** (`acc_dan`) never calls; his one ticket was opened on a holiday.
- **Solo** is a customer of Stripe's alone (`cus_solo`).
- **Ghost** (`acc_ghost`) is in the usage log and nowhere else.

Batches: what arrives together. Calls come late, twice, in newer and in older versions, and one under another day:

- `r1` is delivered twice, the same;
- `r3` comes first as a slow failure, then (later `timestamp`) as a faster success, then once more in the old version;
- `r6`, the only call of 5 January, comes again stamped two minutes later, which is the 6th: the 5th is left without calls;
  at last the old version arrives once more, and must not win;
- `r7` is Ben's, of 2 January, and late.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

AS_OF = datetime(2024, 2, 1, tzinfo=UTC)

Batch = dict[tuple[str, str], list[dict[str, Any]]]


def _call(
    request_id: str,
    customer: str,
    endpoint: str,
    at: str,
    *,
    status: int = 200,
    ms: float = 100,
    feature: str | None = None,
    size: int = 1000,
) -> dict[str, Any]:
    return {
        "request_id": request_id,
        "customer_id": customer,
        "endpoint": endpoint,
        "method": "POST",
        "status_code": status,
        "response_time_ms": ms,
        "bytes_processed": size,
        "feature": feature,
        "region": "eu-west",
        "timestamp": at,
    }


R1 = _call(
    "r1", "acc_ada", "/quantize", "2024-01-02T10:00:00Z", ms=1500, feature="basic_quantization"
)
R2 = _call("r2", "acc_ada", "/models", "2024-01-02T11:00:00Z", ms=400)
R3_SLOW = _call(
    "r3",
    "acc_ada",
    "/inference",
    "2024-01-03T09:00:00Z",
    status=500,
    ms=2000,
    feature="real_time_inference",
)
R3_FAST = _call(
    "r3", "acc_ada", "/inference", "2024-01-03T09:00:01Z", ms=1000, feature="real_time_inference"
)
R4 = _call("r4", "acc_ben", "/quantize", "2024-01-03T12:00:00+05:30", feature="basic_quantization")
R5 = _call(
    "r5", "acc_ghost", "/analyze", "2024-01-03T13:00:00Z", status=429, ms=5, feature="webhooks"
)
R6_FIRST = _call("r6", "acc_ada", "/quantize", "2024-01-05T23:59:00Z", feature="basic_quantization")
R6_MOVED = _call("r6", "acc_ada", "/quantize", "2024-01-06T00:01:00Z", feature="basic_quantization")
R7 = _call(
    "r7", "acc_ben", "/batch-process", "2024-01-02T08:00:00Z", ms=2500, feature="batch_processing"
)
R8 = _call("r8", "acc_ada", "/analyze", "2024-01-31T10:00:00Z", status=404, ms=10)


def _account(
    name: str, tier: str, signup: str, updated: str, deleted: str | None = None
) -> dict[str, Any]:
    return {
        "id": f"acc_{name}",
        "name": f"{name.title()} & Co",
        "email": f"{name}@example.com",
        "industry": "robotics",
        "country": "DE",
        "tier": tier,
        "signup_at": signup,
        "created_at": signup,
        "updated_at": updated,
        "deleted_at": deleted,
    }


ADA = _account("ada", "Team", "2024-01-01T10:00:00Z", "2024-01-01T10:00:00Z")
BEN = _account("ben", "Team", "2024-01-02T07:00:00Z", "2024-01-20T12:00:00Z")
CYD = _account("cyd", "Free", "2024-01-01T00:00:00Z", "2024-01-01T00:00:00Z")
CYD_DELETED = _account(
    "cyd", "Free", "2024-01-01T00:00:00Z", "2024-01-10T00:00:00Z", "2024-01-10T00:00:00Z"
)
CYD_RESTORED = _account("cyd", "Free", "2024-01-01T00:00:00Z", "2024-01-12T00:00:00Z")
DAN = _account("dan", "Developer", "2024-01-01T09:00:00Z", "2024-01-01T09:00:00Z")
BEN_UPGRADED = {
    "id": "chg_1",
    "account_id": "acc_ben",
    "field": "tier",
    "old_value": "Developer",
    "new_value": "Team",
    "changed_at": "2024-01-20T12:00:00Z",
}


def _organization(number: int, name: str) -> dict[str, Any]:
    at = "2024-01-01T00:00:00Z"
    return {
        "id": number,
        "external_id": f"acc_{name}",
        "name": name,
        "created_at": at,
        "updated_at": at,
    }


def _ticket(
    number: int, organization: int, status: str, created: str, updated: str
) -> dict[str, Any]:
    return {
        "id": number,
        "organization_id": organization,
        "requester_id": 900 + organization,
        "assignee_id": 1,
        "subject": "It fails",
        "status": status,
        "priority": "normal",
        "type": "problem",
        "created_at": created,
        "updated_at": updated,
    }


def _comment(
    number: int, ticket: int, author: int, at: str, *, public: bool = True
) -> dict[str, Any]:
    return {
        "id": number,
        "ticket_id": ticket,
        "author_id": author,
        "public": public,
        "created_at": at,
    }


def _status(number: int, ticket: int, at: str, status: str, before: str | None) -> dict[str, Any]:
    child = {"id": number * 10, "event_type": "Change", "status": status, "previous_value": before}
    if before is None:
        child = {"id": number * 10, "event_type": "Create", "status": status}
    return {
        "id": number,
        "ticket_id": ticket,
        "created_at": at,
        "child_events": [child, {"id": number * 10 + 1, "event_type": "Comment"}],
    }


# Friday 5 January 16:30 to Monday 9:45 is 3,915 minutes, of which 30 + 45 in business hours (9 to 17 on weekdays);
# the solve that held is Tuesday 12:00: 5,490 minutes, of which 30 + 480 + 180 in business hours.
ADAS_TICKET_FIRST = _ticket(11, 1, "solved", "2024-01-05T16:30:00Z", "2024-01-08T10:00:00Z")
ADAS_TICKET = _ticket(11, 1, "closed", "2024-01-05T16:30:00Z", "2024-01-31T12:00:00Z")
DANS_TICKET = _ticket(12, 2, "pending", "2024-01-01T10:00:00Z", "2024-01-02T09:10:00Z")

SUPPORT_FIRST: Batch = {
    ("support", "organizations"): [_organization(1, "ada"), _organization(2, "dan")],
    ("support", "users"): [
        {
            "id": 1,
            "role": "agent",
            "name": "Agnes",
            "created_at": "2023-01-01T00:00:00Z",
            "updated_at": "2023-01-01T00:00:00Z",
        },
        {
            "id": 901,
            "role": "end-user",
            "organization_id": 1,
            "name": "Ada",
            "created_at": "2024-01-01T10:00:00Z",
            "updated_at": "2024-01-01T10:00:00Z",
        },
    ],
    ("support", "tickets"): [ADAS_TICKET_FIRST, DANS_TICKET],
    ("support", "ticket_comments"): [
        _comment(1, 11, 901, "2024-01-05T16:30:00Z"),
        _comment(2, 11, 1, "2024-01-05T16:45:00Z", public=False),
        _comment(3, 11, 1, "2024-01-08T09:45:00Z"),
        _comment(4, 12, 902, "2024-01-01T10:00:00Z"),
        _comment(5, 12, 1, "2024-01-02T09:10:00Z"),
    ],
    ("support", "ticket_events"): [
        _status(101, 11, "2024-01-05T16:30:00Z", "new", None),
        _status(102, 11, "2024-01-08T10:00:00Z", "solved", "new"),
        _status(201, 12, "2024-01-01T10:00:00Z", "new", None),
        _status(202, 12, "2024-01-02T09:10:00Z", "pending", "new"),
    ],
}
SUPPORT_LATER: Batch = {
    ("support", "tickets"): [ADAS_TICKET],
    ("support", "ticket_comments"): [
        _comment(6, 11, 901, "2024-01-09T09:00:00Z"),
        _comment(7, 11, 1, "2024-01-09T12:00:00Z"),
    ],
    ("support", "ticket_events"): [
        _status(103, 11, "2024-01-09T09:00:00Z", "open", "solved"),
        _status(104, 11, "2024-01-09T12:00:00Z", "solved", "open"),
        _status(105, 11, "2024-01-31T12:00:00Z", "closed", "solved"),
    ],
    ("support", "satisfaction_ratings"): [
        {
            "id": 1,
            "ticket_id": 11,
            "requester_id": 901,
            "score": "good",
            "created_at": "2024-01-10T00:00:00Z",
            "updated_at": "2024-01-10T00:00:00Z",
        },
    ],
}

RATES = [
    {"date": f"2024-01-{day:02d}", "base": base, "quote": quote, "rate": rate, "source": "desk"}
    for day in range(1, 32)
    for base, quote, rate in (("EUR", "USD", "1.10"), ("USD", "JPY", "150"), ("EUR", "KWD", "0.33"))
]

SOLO = {
    "id": "cus_solo",
    "object": "customer",
    "created": 1_704_412_800,  # 2024-01-05
    "livemode": True,
    "email": "solo@example.com",
    "name": "Solo",
    "metadata": {},
}

# what arrives together, in order
BATCHES: tuple[Batch, ...] = (
    {
        ("usage", "api_calls"): [R1, R2, R3_SLOW, R4, R5, R6_FIRST],
        ("product", "accounts"): [ADA, CYD, DAN],
        ("product", "logins"): [
            {
                "id": "log_1",
                "user_id": "usr_1",
                "account_id": "acc_ada",
                "logged_in_at": "2024-01-07T18:00:00Z",
                "session_seconds": 600,
            }
        ],
        ("stripe", "customers"): [SOLO],
        ("inputs", "fx_rates"): RATES,
        ("inputs", "ad_spend"): [
            {
                "date": "2024-01-04",
                "channel": "search",
                "campaign": "brand",
                "currency": "EUR",
                "spend_minor": "10000",
                "impressions": "900",
                "clicks": "12",
            },
            {
                "date": "2024-01-04",
                "channel": "social",
                "campaign": "launch",
                "currency": "JPY",
                "spend_minor": "1500",
                "impressions": "50",
                "clicks": "1",
            },
        ],
        **SUPPORT_FIRST,
    },
    {
        ("usage", "api_calls"): [R7, R3_FAST, R6_MOVED, R1],
        ("product", "accounts"): [BEN, CYD_DELETED],
        ("product", "account_changes"): [BEN_UPGRADED],
        ("product", "experiment_exposures"): [
            {
                "id": "exp_1",
                "experiment": "price",
                "variant": "b",
                "account_id": "acc_ada",
                "exposed_at": "2024-01-05T00:00:00Z",
            },
            {
                "id": "exp_2",
                "experiment": "price",
                "variant": "a",
                "account_id": "acc_ada",
                "exposed_at": "2024-01-03T00:00:00Z",
            },
            {
                "id": "exp_3",
                "experiment": "price",
                "variant": "b",
                "account_id": "acc_ben",
                "exposed_at": "2024-01-03T00:00:00Z",
            },
        ],
        ("product", "experiment_conversions"): [
            {
                "id": "cnv_1",
                "experiment": "price",
                "account_id": "acc_ada",
                "converted_at": "2024-01-02T00:00:00Z",
                "value_minor": 999,
                "currency": "USD",
            },
            {
                "id": "cnv_2",
                "experiment": "price",
                "account_id": "acc_ada",
                "converted_at": "2024-01-06T00:00:00Z",
                "value_minor": 1000,
                "currency": "EUR",
            },
        ],
    },
    {
        ("usage", "api_calls"): [R8, R6_FIRST, R3_SLOW],
        ("product", "accounts"): [CYD_RESTORED, DAN],
        **SUPPORT_LATER,
    },
)
