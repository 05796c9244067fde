"""Models of dbt as SQL, without starting dbt: its macros and variables, and tables by schema and name.

A start of dbt that has to parse the project costs more than all tests of `ml` together. `tests/road` builds
the same models with dbt itself.
"""

from __future__ import annotations

from functools import cache
from types import SimpleNamespace

import jinja2
import yaml

from warehouse.settings import PROJECT_ROOT

DBT_PROJECT = PROJECT_ROOT / "dbt_project"


@cache
def rendered(model: str, now: str = "2025-07-01 00:00:00") -> str:
    """The query of a model of gold, as of an instant."""
    variables = yaml.safe_load((DBT_PROJECT / "dbt_project.yml").read_text())["vars"]
    macros = "".join(
        path.read_text() for path in sorted((DBT_PROJECT / "macros" / "portable").glob("*.sql"))
    )
    (path,) = (DBT_PROJECT / "models" / "gold").rglob(f"{model}.sql")
    query = path.read_text()
    template = jinja2.Environment(extensions=["jinja2.ext.do"]).from_string(macros + query)
    context = template.new_context({
        "ref": lambda name: f"{'silver' if name.startswith('int_') else 'gold'}.{name}",
        "source": lambda schema, name: f"{schema}.{name}",
        "config": lambda **_: "",
        "var": lambda name, default=None: variables.get(name, default),
        "env_var": lambda *_: now,
        "execute": True,
        "return": lambda value: value,
        "dbt": SimpleNamespace(type_string=lambda: "varchar"),
        "adapter": SimpleNamespace(dispatch=lambda name, _: context.vars[f"duckdb__{name}"]),
    })  # fmt: skip
    return "".join(template.root_render_func(context))
