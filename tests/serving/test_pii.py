"""Every column of gold has a class, and what looks like a person is refused until somebody says otherwise."""

from __future__ import annotations

import pytest
import yaml

from serving.pii import classify, small_groups
from warehouse.errors import WarehouseError
from warehouse.settings import PROJECT_ROOT


def described_columns():
    """Table → column → type, as the models' contracts describe them."""
    found = {}
    for path in sorted((PROJECT_ROOT / "dbt_project" / "models" / "gold").rglob("*.yml")):
        for model in yaml.safe_load(path.read_text()).get("models") or ():
            columns = model.get("columns") or ()
            found[model["name"]] = {
                c["name"]: str(c.get("data_type", "string")).upper().replace("STRING", "VARCHAR")
                for c in columns
            }
    return found


def test_every_column_of_every_gold_model_is_classified():
    described = described_columns()
    assert len(described) > 10
    classes = classify(described)
    kept = {
        f"{table}.{column}"
        for table in classes
        for column, rule in classes[table].items()
        if rule == "keep"
    }
    for column in (
        "dim_customers.email",
        "dim_customers.company_name",
        "fact_support_tickets.subject",
    ):
        table, name = column.split(".")
        if name in described.get(table, {}):
            assert column not in kept
    assert all(not column.endswith(".customer_id") for column in kept)


@pytest.mark.parametrize(
    ("column", "kind", "rule"),
    [
        ("email", "VARCHAR", "drop"),
        ("customer_id", "VARCHAR", "pseudonymise"),
        ("stripe_invoice_id", "VARCHAR", "pseudonymise"),
        ("id", "VARCHAR", "pseudonymise"),
        ("revenue_type", "VARCHAR", "keep"),
        ("currency", "VARCHAR", "keep"),
        ("amount", "DECIMAL(38,6)", "keep"),
        ("email_count", "BIGINT", "keep"),
        ("processed_at", "TIMESTAMP", "keep"),
    ],
)
def test_rules(column, kind, rule):
    assert classify({"fact_new": {column: kind}})["fact_new"][column] == rule


@pytest.mark.parametrize(
    ("column", "kind"),
    [
        ("user_name", "VARCHAR"),
        ("ip", "VARCHAR"),
        ("client_ip_address", "VARCHAR"),
        ("backup_email_type", "VARCHAR"),
        ("ticket_body", "VARCHAR"),
        ("remarks", "VARCHAR"),
        ("emails", "VARCHAR[]"),
        ("payload", "JSON"),
        ("person", "STRUCT(email VARCHAR)"),
        ("raw", "BLOB"),
    ],
)
def test_unknown_text_is_refused(column, kind):
    with pytest.raises(WarehouseError, match=rf"gold\.fact_new\.{column}"):
        classify({"fact_new": {column: kind}})


def test_groups_of_customers_are_recognised():
    def of(table, **columns):
        return small_groups(table, columns, classify({table: columns})[table])

    assert of("kpi_x", industry="VARCHAR", customers="BIGINT").count_column == "customers"
    assert of("kpi_x", day="DATE", customers="BIGINT") is None  # no dimension
    assert of("kpi_x", industry="VARCHAR", calls="BIGINT") is None  # no count of customers
    # the only customer that pays in KWD is a group of one, and so is a cohort of one
    assert (
        of("kpi_x", currency="VARCHAR", paying_customers="BIGINT").count_column
        == "paying_customers"
    )
    assert (
        of("kpi_x", cohort_month_on="DATE", cohort_customers="BIGINT").count_column
        == "cohort_customers"
    )
    assert of("kpi_x", reporting_currency="VARCHAR", customers="BIGINT") is None
    assert (
        of("fact_x", industry="VARCHAR", customers="BIGINT") is None
    )  # a row per event, not an aggregate
