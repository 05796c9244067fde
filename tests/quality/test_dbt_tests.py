"""What dbt's tests find is told in the gates' words; every test of the project has its dimension."""

from __future__ import annotations

import re

from quality import dbt_tests
from quality.expectations import DIMENSIONS
from warehouse.dbt_process import DBT_PROJECT

OF_DBT = {"not_null", "unique", "accepted_values", "relationships"}


def node(name, **more):
    return {"name": name, "config": {"severity": "ERROR", "meta": {}}, "column_name": None, **more}


MANIFEST = {
    "nodes": {
        "model.warehouse.fact_revenue": {"schema": "gold", "alias": "fact_revenue"},
        "test.warehouse.a.1": node(
            "a", attached_node="model.warehouse.fact_revenue", column_name="customer_id",
            test_metadata={"name": "relationships", "kwargs": {
                "column_name": "customer_id", "field": "customer_id", "to": "ref('dim_customers')"}},
        ),
        "test.warehouse.b.2": node(
            "b", attached_node="model.warehouse.fact_revenue", config={"severity": "warn", "meta": {"dimension": "accuracy"}},
            test_metadata={"name": "always_true", "kwargs": {"expression": "net = gross - tax"}},
        ),
        "test.warehouse.assert_revenue_equals_the_ledger": node("assert_revenue_equals_the_ledger"),
    }
}  # fmt: skip


def outcome(test, status, failures, message=None):
    return {
        "unique_id": f"test.warehouse.{test}", "status": status, "failures": failures, "message": message,
        "compiled_code": f"select {test}",
    }  # fmt: skip


def test_each_outcome_is_a_row_that_says_what_should_hold_and_what_was_found():
    run = {
        "results": [
            outcome("a.1", "fail", 2),
            outcome("b.2", "warn", 1),
            outcome("assert_revenue_equals_the_ledger", "pass", 0),
            {"unique_id": "model.warehouse.fact_revenue", "status": "success"},
        ]
    }
    rows = dbt_tests.results("dbt_gold", run, MANIFEST, lambda query: f"row of {query}")
    assert {row.table for row in rows} == {"gold.fact_revenue"}
    assert [
        (row.expectation, row.dimension, row.severity, row.success, row.detail) for row in rows
    ] == [
        (
            "every customer_id is a customer_id of dim_customers", "consistency", "error", False,
            "2 rows break it, such as row of select a.1",
        ),
        ("net = gross - tax", "accuracy", "warning", False, "1 rows break it, such as row of select b.2"),
        ("revenue equals the ledger of invoices", "accuracy", "error", True, ""),
    ]  # fmt: skip
    assert all(bool(row.advice) != row.success for row in rows)


def test_a_test_that_was_skipped_says_nothing_and_one_that_broke_says_why():
    run = {
        "results": [outcome("a.1", "skipped", None), outcome("b.2", "error", None, "no such column\n…")]
    }  # fmt: skip
    (row,) = dbt_tests.results("dbt_gold", run, MANIFEST)
    assert (row.success, row.detail) == (False, "could not be evaluated: no such column")


def test_every_test_of_the_project_is_named_with_its_dimension():
    generic = set(
        re.findall(
            r"{% test (\w+)\(", (DBT_PROJECT / "macros" / "tests" / "generic.sql").read_text()
        )
    )
    singular = {path.stem for path in (DBT_PROJECT / "tests").rglob("*.sql")}
    assert set(dbt_tests.names()["generic"]) == generic | OF_DBT
    assert set(dbt_tests.names()["singular"]) == singular
    models = {path.stem for path in (DBT_PROJECT / "models").rglob("*.sql")}
    for named in dbt_tests.names().values():
        for said in named.values():
            assert said["dimension"] in DIMENSIONS
            assert said.get("model", "fact_revenue") in models
