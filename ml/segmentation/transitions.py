"""How customers move between segments from month to month, and how likely each next segment is.

Every month's begin is described by the clusters in use, their scaling and centroids kept: a move is then a move of the
customer, never of the clusters. The chance of the next segment is that of the newest twelve months together, smoothed:
each segment's row leans, by as much as `PRIOR` customers weigh, on staying and on the segments' own sizes.

Reads: gold (through `ml.segmentation.assignment`), the registry. Writes: the registry.
Run: by `warehouse train` and `warehouse score`.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from itertools import combinations, pairwise
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ml import registry
from ml.segmentation import clusters, rules
from warehouse import clock
from warehouse.duck import connect
from warehouse.locks import hold

if TYPE_CHECKING:
    import duckdb

    from warehouse.settings import Settings

NAME = "segment_transitions"
SEED = 20250704
MONTHS = 12
PRIOR = 10.0
STAYING = 0.5  # of the prior
SEEDS = range(1, 6)
SCHEMES = {
    "cluster": ("cluster_segment", (*clusters.CLUSTER_SEGMENTS, clusters.UNCLASSIFIED)),
    "rule": ("rule_segment", rules.RULE_SEGMENTS),
}
COLUMNS = ["scheme", "month_start_on", "from_segment", "to_segment", "as_of_date", "model_version", "customers",
           "from_customers", "probability_30d"]  # fmt: skip


def train(settings: Settings) -> registry.Model:
    """Count the moves of the last twelve months, and measure how stable the clusters are."""
    from ml.features import features, snapshot_of
    from ml.segmentation.assignment import customer_segments, gather

    now = clock.now(settings)
    found = registry.champion(settings, "segments")
    segments = registry.load(settings, found) if found else None
    with hold(settings.warehouse_db, what="reading segments", timeout=settings.lock_timeout):
        con = connect(settings.warehouse_db, read_only=True, threads=settings.threads)
        try:
            parts = [
                customer_segments(gather(con, moment).assign(as_of_date=day), segments, "")
                for moment, day in month_starts(con)
            ]
            today = clusters.inputs(features(con, snapshot_of(con)[0]))
        finally:
            con.close()
    columns = ["customer_id", "as_of_date", "cluster_segment", "rule_segment"]
    seen = pd.concat(parts)[columns] if parts else pd.DataFrame(columns=columns)
    counts = count(seen)
    version = registry.version_of(NAME, counts, SEED, segments=segments and segments.version)
    known = registry.settled(settings, NAME, version)
    if known is not None:
        return known
    model = registry.Model(
        name=NAME, version=version, kind="smoothed counts",
        status="promoted" if len(counts) else "fallback",
        reason=f"{int(counts['customers'].sum())} customer-months"
        if len(counts)
        else "there are no two months to compare",
        trained_as_of=_naive(now), data_from=None, data_to=None, training_rows=len(seen),
        features=["cluster_segment", "rule_segment"],
        metrics={**stability(today, segments), **{f"{name}_{key}": value for name in SCHEMES
                                                  for key, value in held_out(counts, name).items()}},
        details={}, seed=SEED,
        pipeline={"rows": counts.assign(month_start_on=counts["month_start_on"].astype(str)).to_dict("records")},
    )  # fmt: skip
    return registry.register(settings, model, now=now)


def month_starts(con: duckdb.DuckDBPyConnection) -> list[tuple[datetime, date]]:
    """The newest snapshots at which a month begins, oldest first: their instants and days; one more than `MONTHS`."""
    rows = con.execute(
        "select as_of, as_of_date from gold.feature_dates where dayofmonth(as_of_date) = 1 order by as_of"
    ).fetchall()
    return [(moment.replace(tzinfo=UTC), day) for moment, day in rows[-MONTHS - 1 :]]


def count(seen: pd.DataFrame) -> pd.DataFrame:
    """Customers per scheme, month, and pair of segments; every pair of a scheme is there.

    Args:
        seen: customer_id, as_of_date (the begins of months), cluster_segment, rule_segment.

    Returns:
        DataFrame: scheme, month_start_on (the begin of the move), from_segment, to_segment, customers.
    """
    days = sorted(seen["as_of_date"].unique())
    parts = []
    for begin, end in pairwise(days):
        both = seen[seen["as_of_date"] == begin].merge(
            seen[seen["as_of_date"] == end], on="customer_id", suffixes=("_from", "_to")
        )
        for scheme, (column, names) in SCHEMES.items():
            pairs = pd.MultiIndex.from_product([names, names], names=["from_segment", "to_segment"])
            moved = both.groupby([f"{column}_from", f"{column}_to"]).size()
            table = moved.rename_axis(pairs.names).reindex(pairs, fill_value=0)
            parts.append(
                table.rename("customers").reset_index().assign(scheme=scheme, month_start_on=begin)
            )
    columns = ["scheme", "month_start_on", "from_segment", "to_segment", "customers"]
    return pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)


def probabilities(counts: pd.DataFrame, scheme: str) -> pd.DataFrame:
    """Smoothed chances of one scheme: rows are from_segment, columns to_segment; each row adds up to 1."""
    names = SCHEMES[scheme][1]
    moved = (
        counts[counts["scheme"] == scheme]
        .pivot_table(index="from_segment", columns="to_segment", values="customers", aggfunc="sum")
        .reindex(index=names, columns=names)
        .fillna(0.0)
    )
    total = moved.to_numpy(float)
    sizes = (total.sum(axis=0) + 1) / (total.sum() + len(names))
    prior = STAYING * np.eye(len(names)) + (1 - STAYING) * sizes
    smoothed = (total + PRIOR * prior) / (total.sum(axis=1, keepdims=True) + PRIOR)
    return pd.DataFrame(smoothed, index=moved.index, columns=moved.columns)


def held_out(counts: pd.DataFrame, scheme: str) -> dict[str, float]:
    """Log loss per customer of the newest month, told by the months before it; beside it that of the sizes alone."""
    months = sorted(counts["month_start_on"].unique())
    if len(months) < 3:
        return {}
    before = counts[counts["month_start_on"] < months[-1]]
    last = counts[(counts["month_start_on"] == months[-1]) & (counts["scheme"] == scheme)]
    told = probabilities(before, scheme)
    moved = last.pivot_table(index="from_segment", columns="to_segment", values="customers")
    moved = moved.reindex(index=told.index, columns=told.columns).fillna(0.0)
    if not moved.to_numpy().sum():
        return {}
    sizes = before[before["scheme"] == scheme].groupby("to_segment")["customers"].sum()
    share = ((sizes + 1) / (sizes + 1).sum()).reindex(told.columns)

    def loss(chance: pd.DataFrame) -> float:
        return float(-(moved * np.log(chance)).to_numpy().sum() / moved.to_numpy().sum())

    return {
        "log_loss": loss(told),
        "log_loss_of_sizes": loss(pd.DataFrame([share] * len(told), index=told.index)),
        "share_staying": float(np.trace(moved.to_numpy()) / moved.to_numpy().sum()),
    }


def stability(today: pd.DataFrame, segments: registry.Model | None) -> dict[str, float]:
    """Adjusted Rand index between clusterings of today from other seeds, and of those in use with a fresh one."""
    from sklearn.metrics import adjusted_rand_score

    if segments is None:
        return {}
    told = [
        clusters.assign(pipeline, named, today)
        for pipeline, named in (clusters.fit(today, seed=seed, starts=10) for seed in SEEDS)
    ]
    in_use = clusters.assign(segments.pipeline, segments.details["names"], today)
    across = [adjusted_rand_score(one, other) for one, other in combinations(told, 2)]
    return {
        "seed_ari_mean": float(np.mean(across)),
        "seed_ari_min": float(np.min(across)),
        "fresh_ari": float(np.mean([adjusted_rand_score(in_use, each) for each in told])),
        "fresh_same_name": float(np.mean([(in_use == each).mean() for each in told])),
    }


def values(model: registry.Model, *, day: date) -> pd.DataFrame:
    """The rows of ml.segment_transitions: every month's moves, and beside each pair its smoothed chance."""
    counts = pd.DataFrame(model.pipeline["rows"])
    if counts.empty:
        return pd.DataFrame(columns=COLUMNS)
    counts["month_start_on"] = pd.to_datetime(counts["month_start_on"]).dt.date
    counts["from_customers"] = counts.groupby(["scheme", "month_start_on", "from_segment"])[
        "customers"
    ].transform("sum")
    chance = pd.concat(
        probabilities(counts, scheme).stack().rename("probability_30d").reset_index().assign(scheme=scheme)
        for scheme in SCHEMES
    )  # fmt: skip
    table = counts.merge(chance, on=["scheme", "from_segment", "to_segment"])
    return table.assign(as_of_date=day, model_version=model.version)[COLUMNS].round(6)


def _naive(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(tzinfo=None)
