"""Great Expectations' expectation about a query, asked once: its own runs it to fetch the rows and again to count them.

Which rows they are is asked where there are any (`quality.engine`).

Reads and writes: nothing. Run: imported by `quality.engine`, once GE is.
"""

from __future__ import annotations

from typing import Any, ClassVar

from great_expectations.expectations import UnexpectedRowsExpectation

_ROWS = "unexpected_rows_query.row_count"


class ExpectNoRows(UnexpectedRowsExpectation):
    """A query finds nothing; `{batch}` in it is the table. What is observed is the number of its rows."""

    metric_dependencies: ClassVar[tuple[str, ...]] = (_ROWS,)

    def _validate(self, metrics: dict[str, Any], *_: Any, **__: Any) -> dict[str, Any]:
        rows = metrics[_ROWS]
        return {"success": rows == 0, "result": {"observed_value": rows}}
