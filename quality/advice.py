"""What to do about a failed check that brings no advice of its own: by its dimension, and where its table stands.

Reads and writes: nothing. Run: by `quality.engine` and `quality.dbt_tests`.
"""

from __future__ import annotations

_BY_DIMENSION = {
    "completeness": "look for what is missing: did the source send it, or did a join lose it",
    "accuracy": "recompute one of the rows by hand from what it is made of; then mend the model, or the source",
    "consistency": "look at both sides of one of the rows: a key that is there twice, or that nothing answers to",
    "timeliness": "look at the source's clock and at when it last synced (`warehouse status`)",
    "validity": "look up where the value came from; if it is a new one that is right, allow it in the check",
}


def advice_for(table: str, column: str, dimension: str) -> str:
    """A sentence that says where to look and what to do.

    Args:
        table: As the checks name it, such as `gold.fact_revenue` or `raw_stripe.charges`.
        column: The column it is about; empty if none.
        dimension: METRICS §9's dimension.
    """
    layer, _, name = table.partition(".")
    if layer.startswith("raw_"):
        source = layer.removeprefix("raw_")
        where = f'`warehouse sql --landing {source} "select * from latest.{name}"`'
    elif layer == "gold":
        shown = f"{column}, *" if column else "*"
        where = f'`warehouse sql "select {shown} from {table}"` shows it as it is published'
    else:
        where = f"{table} is in the warehouse file; dbt's statement is in <home>/dbt/*/compiled"
    return f"{_BY_DIMENSION[dimension]}; {where}"
