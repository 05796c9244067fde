"""Customers in listings: how they are named and found, and the way to the page of one.

Reads: gold.dim_customers, dim_customer_months (in what pages ask).
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import pandas as pd

from serving.dashboards import formats
from serving.dashboards.filters import Slice
from serving.dashboards.formats import Measure, columns_of

_of = columns_of("dim_customers")
COMPANY = Measure(
    "company", "Customer", formats.TEXT, "dim_customers.company_name", address="address"
)
TIER = _of("tier", "Tier", formats.TEXT)
INDUSTRY = _of("industry", "Industry", formats.TEXT)
COUNTRY = _of("country", "Country", formats.TEXT)

# The plan of a customer is that of the newest month in which it had one.
_PLAN = (
    "c.customer_id in (select customer_id from gold.dim_customer_months "
    "group by customer_id having arg_max(plan, month) = ?)"
)


def where(chosen: Slice) -> tuple[str, list[Any]]:
    """The customers chosen, as a condition on `gold.dim_customers as c`, and its parameters."""
    if chosen.dimension is None:
        return "true", []
    if chosen.dimension == "plan":
        return _PLAN, [chosen.value]
    return f"coalesce(c.{chosen.dimension}, 'unknown') = ?", [chosen.value]


def linked(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows with `customer_id` and `company_name`, and beside them what COMPANY shows: a name that leads to its page."""
    names = rows["company_name"].where(rows["company_name"].notna(), rows["customer_id"])
    return rows.assign(company=names, address=rows["customer_id"].map(address))


def address(customer_id: str) -> str:
    """Where the page of a customer is."""
    return "customer?" + urlencode({"customer": customer_id})
