"""Train the churn model and the segments on gold, evaluate out of time, promote what earns it.

Reads: gold (through `ml.features` and `ml.churn.labels`), ops.model_registry.
Writes: `models/<version>.skops`, ops.model_registry, `docs/model-cards/<version>.md` under the models
folder. The same data, code and seed give the same version, and a version known already is returned
without fitting again, unless its file or that of the model in use can't be read.
Run: `warehouse train`.
"""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ml import registry
from ml.card import write_card
from ml.churn import drift, evaluation, labels, models, promotion, reasons
from ml.features import FEATURES, KEYS, features, snapshot_of, snapshots
from ml.segmentation import clusters
from warehouse import clock
from warehouse.duck import connect
from warehouse.locks import hold

if TYPE_CHECKING:
    from warehouse.settings import Settings

log = logging.getLogger(__name__)

SEED = 20250701
MAX_CUTOFFS = 72  # two years of snapshots, ten days apart
# From so many customer-dates on, the first of each month is enough: three dates a month cost three times as much, and
# their labels overlap so far that they teach hardly more (AUC +0.001 at 110,000).
MANY_ROWS = 50_000
MIN_HISTORY = timedelta(days=150)
MIN_POSITIVES = 30  # customers that left, each of which is in about three customer-dates
TEST_CUTOFFS = 6
# what logs and Airflow show of a model
TOLD = ("roc_auc", "pr_auc", "brier", "log_loss", "expected_calibration_error", "accuracy")


@dataclass(frozen=True)
class TrainReport:
    """Outcome of one training.

    Attributes:
        churn: The churn model now in use.
        segments: The segmentation now in use; None for a company too small to cluster.
        is_new: Something was fitted; False when the same data had been trained on before.
        evaluation: Figures of the churn model, as stored.
        predictions: Out-of-time predictions of this run, for studies; None when nothing was fitted.
    """

    churn: registry.Model
    segments: registry.Model | None
    is_new: bool
    evaluation: dict[str, Any]
    predictions: pd.DataFrame | None = field(repr=False, default=None)

    def figures(self) -> dict[str, Any]:
        """One level of plain values, for logs and Airflow: what was decided, the newcomer beside the model in use."""
        decision = self.evaluation.get("promotion", {})
        newcomer, in_use = self.evaluation.get("best", {}), self.churn.metrics.get("best", {})
        return {
            "model_version": self.churn.version,
            "kind": self.churn.kind,
            "is_new": self.is_new,
            "decision": decision.get("status", self.churn.status),
            "reason": decision.get("reason", self.churn.reason),
            "base_rate": newcomer.get("base_rate"),
            **{f"challenger_{name}": newcomer.get(name) for name in TOLD},
            **{f"champion_{name}": in_use.get(name) for name in TOLD},
        }


def train(settings: Settings) -> TrainReport:
    """Train on everything known now.

    A company too young to learn from (fewer than `MIN_POSITIVES` customers left, or under five months with
    closed labels) gets its base rate as a flagged fallback, not a crash. A candidate that does not
    beat the base rate and the model in use beyond noise is registered as rejected, and the model in
    use stays (`ml.churn.promotion`).
    """
    now = clock.now(settings)
    with hold(settings.warehouse_db, what="reading features", timeout=settings.lock_timeout):
        con = connect(settings.warehouse_db, read_only=True, threads=settings.threads)
        try:
            cutoffs = training_cutoffs(con, now)
            newest, _ = snapshot_of(con)
            everyone = features(con, [*cutoffs, newest])
            known = labels.population(con, cutoffs) if cutoffs else labels.empty()
        finally:
            con.close()
    today = everyone[everyone["as_of"] == _naive(newest)]
    data = known[~known["is_end_set"]].merge(everyone, on=KEYS, how="inner")
    if len(data) > MANY_ROWS:
        data = data[_begins_month(data["as_of"])]
    data = data.sort_values(KEYS, kind="stable").reset_index(drop=True)
    churn, figures, predictions, churn_is_new = _train_churn(settings, data, now)
    segments, segments_are_new = _train_segments(settings, today, now)
    return TrainReport(
        churn=churn,
        segments=segments,
        is_new=churn_is_new or segments_are_new,
        evaluation=figures,
        predictions=predictions,
    )


def training_cutoffs(con: Any, now: datetime) -> list[datetime]:
    """Snapshots whose label is settled by now: their 30 days are over, and gold's movements of them final.

    From 30 days after the first MRR on, the newest `MAX_CUTOFFS` of them.
    """
    first = con.execute("select min(occurred_at) from gold.fact_mrr_movements").fetchone()[0]
    if first is None:
        return []
    last = _naive(labels.settled_until(con, now)) - evaluation.HORIZON
    return [
        moment.replace(tzinfo=UTC)
        for moment in snapshots(con)
        if first + evaluation.HORIZON <= moment <= last
    ][-MAX_CUTOFFS:]


def test_cutoffs(cutoffs: list[datetime]) -> list[pd.Timestamp]:
    """The last cut-offs at which a month begins, so that test labels (hardly) overlap."""
    moments = pd.Series([_naive(moment) for moment in cutoffs], dtype="datetime64[us]")
    return list(moments[_begins_month(moments)][-TEST_CUTOFFS:])


def _begins_month(moments: pd.Series) -> pd.Series:
    """Whether each first instant of a day (naive UTC) is that of a month in the reporting time zone."""
    # noon of a day is on that day in UTC in nearly every time zone
    return (moments + pd.Timedelta(hours=12)).dt.day == 1


def _train_churn(
    settings: Settings, data: pd.DataFrame, now: datetime
) -> tuple[registry.Model, dict[str, Any], pd.DataFrame | None, bool]:
    columns = list(FEATURES)
    version = registry.version_of("churn", data[[*KEYS, *columns, "churns"]], SEED)
    champion = registry.champion(settings, "churn")
    known = registry.settled(settings, "churn", version)
    if known is not None:
        return champion or known, known.metrics, None, False
    table = models.prepare_table(data[columns])
    label = data["churns"].astype(int)
    if champion is not None and champion.version == version:
        # its file alone is gone: what was decided stands
        again = replace(champion, pipeline=_fitted(champion.kind, table, label))
        stored = registry.register(settings, again, now=now)
        write_card(settings, stored)
        return stored, stored.metrics, None, True
    report, why_not = _evaluated(data, table, label)
    if report is None:
        can_score = champion is not None and _cannot_score(settings, champion, data) is None
        decision = promotion.undecided(why_not, champion if can_score else None)
        figures: dict[str, Any] = {
            "best": {"base_rate": float(label.mean()) if len(label) else None}
        }
    else:
        figures = {**report.as_dict(), "best": report.as_dict()["candidates"][report.chosen]}
        decision = _decide(settings, report, data, champion)
        figures["promotion"] = asdict(decision)
    if report is None or decision.status == "fallback":
        kind, details = models.BASELINE, {}
        pipeline = _fitted(kind, table, label)
    else:
        kind = report.chosen
        pipeline = _fitted(kind, table, label)
        details = explanation(pipeline, table) | {"reference": drift.reference(table)}
    model = registry.Model(
        name="churn", version=version, kind=kind, status=decision.status, reason=decision.reason,
        trained_as_of=_naive(now),
        data_from=data["as_of"].min().to_pydatetime() if len(data) else None,
        data_to=data["as_of"].max().to_pydatetime() if len(data) else None,
        training_rows=len(data), features=columns, metrics=figures, details=details, seed=SEED,
        pipeline=pipeline,
    )  # fmt: skip
    stored = registry.register(settings, model, now=now)
    if stored.status != "rejected":
        write_card(settings, stored)
    in_use = registry.champion(settings, "churn") or stored
    return in_use, figures, _named(report, data), True


def _fitted(kind: str, table: pd.DataFrame, label: pd.Series) -> Any:
    if kind == models.BASELINE:
        return models.fit_base_rate(table, label)
    return models.fit(kind, table, label, seed=SEED)


def _evaluated(
    data: pd.DataFrame, table: pd.DataFrame, label: pd.Series
) -> tuple[evaluation.Report | None, str]:
    """The candidates out of time; or nothing, and why they could not be judged."""
    moments = [
        stamp.to_pydatetime().replace(tzinfo=UTC) for stamp in sorted(data["as_of"].unique())
    ]
    span = moments[-1] - moments[0] if moments else timedelta()
    if _leavers(data) < MIN_POSITIVES or span < MIN_HISTORY:
        return None, _too_young(data)
    splits = evaluation.rolling_splits(data["as_of"], test_cutoffs(moments))
    try:
        groups = data["customer_id"].to_numpy()
        return evaluation.evaluate(table, label, splits, groups=groups, seed=SEED), ""
    except ValueError as error:
        # no company goes without scores because of how its churns are spread
        log.warning("churn candidates could not be judged: %s", error)
        return None, f"candidates could not be judged: {error}; every score is the base rate"


def _leavers(data: pd.DataFrame) -> int:
    return int(data.loc[data["churns"].astype(bool), "customer_id"].nunique())


def _too_young(data: pd.DataFrame) -> str:
    span = data["as_of"].max() - data["as_of"].min() if len(data) else timedelta()
    return (
        f"too young to learn from: {_leavers(data)} customers left in {span.days} days "
        f"(needs {MIN_POSITIVES} in {MIN_HISTORY.days}); every score is the base rate"
    )


def _cannot_score(settings: Settings, champion: registry.Model, data: pd.DataFrame) -> str | None:
    """Why the model in use can't score what is made now; None: it can."""
    if missing := sorted(set(champion.features) - set(data.columns)):
        return f"needs features that are no longer made ({', '.join(missing)})"
    if registry.fault(settings, champion):
        return "can't be read (its file is missing or was changed)"
    return None


def _decide(
    settings: Settings,
    report: evaluation.Report,
    data: pd.DataFrame,
    champion: registry.Model | None,
) -> promotion.Decision:
    """Put the chosen candidate beside the model in use, on dates that model's training knew nothing of."""
    if champion is None or champion.kind == models.BASELINE:
        return promotion.decide(report.chosen, report.gain, roc_auc=report.best.roc_auc)
    if reason := _cannot_score(settings, champion, data):
        return promotion.decide(
            report.chosen, report.gain, roc_auc=report.best.roc_auc,
            champion=champion.version, cannot_score=reason,
        )  # fmt: skip
    told = report.predictions
    moments = data.loc[told["row"], "as_of"].to_numpy()
    fresh = told[moments >= np.datetime64(champion.data_to + evaluation.HORIZON)]
    gain = None
    if len(fresh):
        rows = data.loc[fresh["row"]]
        pipeline = registry.load(settings, champion).pipeline
        gain = promotion.paired_gain(
            fresh["label"].to_numpy(),
            fresh[report.chosen].to_numpy(),
            models.probability(pipeline, models.prepare_table(rows[champion.features])),
            rows["customer_id"].to_numpy(),
            seed=SEED,
        )
    return promotion.decide(
        report.chosen, report.gain, roc_auc=report.best.roc_auc,
        champion=champion.version, over_champion=gain,
    )  # fmt: skip


def _named(report: evaluation.Report | None, data: pd.DataFrame) -> pd.DataFrame | None:
    if report is None or report.predictions is None:
        return None
    keys = data.loc[report.predictions["row"], KEYS].reset_index(drop=True)
    return pd.concat([keys, report.predictions.drop(columns="row")], axis=1)


def explanation(pipeline: Any, table: pd.DataFrame) -> dict[str, Any]:
    """What reasons need beside the pipeline: one fixed row, and the mean of each term over training."""
    anchor = table.iloc[[0]]
    with models.steady_threads():
        mean_terms = reasons.terms(pipeline, table).mean()
    values = {
        name: (None if pd.isna(value) else value if isinstance(value, str) else float(value))
        for name, value in anchor.iloc[0].items()
    }
    return {"anchor": values, "centres": {name: float(value) for name, value in mean_terms.items()}}


def _train_segments(
    settings: Settings, today: pd.DataFrame, now: datetime
) -> tuple[registry.Model | None, bool]:
    table = clusters.inputs(today)
    if len(table.drop_duplicates()) < clusters.MIN_CUSTOMERS:
        return registry.champion(settings, "segments"), False
    frame = pd.concat([today[KEYS], table], axis=1)
    version = registry.version_of("segments", frame, SEED)
    known = registry.settled(settings, "segments", version)
    if known is not None:
        return known, False
    pipeline, named = clusters.fit(table, seed=SEED)
    in_use = registry.champion(settings, "segments")
    if (
        in_use is not None
        and registry.fault(settings, in_use) is None
        and clusters.still_fits(registry.load(settings, in_use).pipeline, table, pipeline)
    ):
        return in_use, False
    model = registry.Model(
        name="segments", version=version, kind="k_means", status="promoted",
        reason="fitted on every customer of the day", trained_as_of=_naive(now), data_from=_naive(_midnight(now)),
        data_to=_naive(_midnight(now)), training_rows=len(table), features=list(table.columns), metrics={},
        details={"names": named}, seed=SEED, pipeline=pipeline,
    )  # fmt: skip
    return registry.register(settings, model, now=now), True


def _midnight(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def _naive(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(tzinfo=None)
