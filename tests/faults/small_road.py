"""The smallest build that shows what a kill could break: usage and its customers, incremental tables in silver and in gold."""

from __future__ import annotations

from warehouse import transform
from warehouse.settings import Settings
from warehouse.transform import Layer

GOLD = "fact_api_usage agg_api_usage_daily"
_WITH_PARENTS = " ".join(f"+{model}" for model in GOLD.split())
LAYERS = {
    "silver": Layer(
        "silver", _WITH_PARENTS, exclude="resource_type:test path:models/gold", reads_landing=True
    ),
    # dbt's own tests of the tables run in tests/road; here they would only take time
    "gold": Layer(
        "gold",
        _WITH_PARENTS,
        exclude="resource_type:test path:seeds path:models/bronze path:models/silver",
    ),
}


def build(settings: Settings, layers: tuple[str, ...] = ("silver", "gold")) -> None:
    """`warehouse build`, of these tables only."""
    transform.LAYERS.update(LAYERS)
    transform.build(settings, layers)
