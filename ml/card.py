"""Model cards: one page per promoted model, from the figures on record, with a plot of its calibration.

Writes: `docs/model-cards/<version>.md` and `<version>.svg` under the models folder.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml.features import FEATURES

if TYPE_CHECKING:
    from ml.registry import Model
    from warehouse.settings import Settings

_COLUMNS = (
    ("ROC AUC", "roc_auc"), ("PR AUC", "pr_auc"), ("Brier", "brier"), ("log loss", "log_loss"),
    ("ECE", "expected_calibration_error"), ("accuracy", "accuracy"), ("precision", "precision"),
    ("recall", "recall"), ("top-decile precision", "top_decile_precision"),
    ("top-decile recall", "top_decile_recall"),
)  # fmt: skip


def write_card(settings: Settings, model: Model) -> Path:
    """Write the card of a registered churn model and return its path."""
    path = settings.models_dir / "docs" / "model-cards" / f"{model.version}.md"
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.write_text(card(model))
    path.chmod(0o600)
    if deciles := model.metrics.get("best", {}).get("calibration_by_decile"):
        plot_calibration(deciles, path.with_suffix(".svg"))
    return path


def plot_calibration(deciles: list[dict[str, float]], path: Path) -> None:
    """Predicted against observed shares per decile of score, as an SVG; the same rows give the same bytes."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 3.6), layout="constrained")
    axes = figure.subplots()
    predicted = [100 * row["predicted"] for row in deciles]
    observed = [100 * row["observed"] for row in deciles]
    highest = max(*predicted, *observed, 1)
    axes.plot(
        [0, highest], [0, highest], color="#9aa5b1", linestyle="--", linewidth=1, label="perfect"
    )
    axes.plot(predicted, observed, color="#2f6db5", marker="o", label="deciles of score")
    axes.set(
        title="Calibration, out of time", xlabel="predicted, %", ylabel="left within 30 days, %"
    )
    axes.legend(frameon=False)
    with mpl.rc_context({"svg.hashsalt": "calibration"}):
        figure.savefig(path, format="svg", metadata={"Date": None})
    path.chmod(0o600)


def card(model: Model) -> str:
    """The text of a churn model's card."""
    lines = [
        f"# Churn model {model.version}",
        "",
        f"- Kind: `{model.kind}`; status: **{model.status}** ({model.reason})",
        "- Predicts: MRR falls to 0 within 30 days, for a customer that pays and has not set an end yet",
        f"- Trained as of {model.trained_as_of:%Y-%m-%d} on {model.training_rows:,} customer-dates"
        + (
            f", cut-offs {model.data_from:%Y-%m-%d} to {model.data_to:%Y-%m-%d}"
            if model.data_from
            else ""
        ),
        f"- Features: {len(model.features)}; seed {model.seed}; SHA-256 `{model.sha256}`",
        "",
    ]
    candidates = model.metrics.get("candidates")
    if candidates:
        lines += _figures(model, candidates)
    lines += [
        "## Features",
        "",
        *(f"- `{name}`: {FEATURES.get(name, name)}" for name in model.features),
        "",
        "## Limits",
        "",
        "- A score is an association in past data, not a cause: acting on a factor need not change the outcome.",
        "- At a base rate of a few per cent, accuracy says little: `nobody_churns` is nearly as accurate as",
        "  anything. ROC AUC, PR AUC and calibration are the figures to read.",
        "- Customers whose end is set are scored 1 apart and are in none of these figures.",
        "- Drift of each feature stands in `gold.feature_drift`, how past scores fared in",
        "  `gold.churn_score_performance`, and what became of each training in `gold.model_decisions`.",
        "",
    ]
    return "\n".join(lines)


def _figures(model: Model, candidates: dict[str, dict[str, Any]]) -> list[str]:
    best = candidates[model.metrics["chosen"]]
    lines = [
        "## Figures, out of time",
        "",
        f"{len(model.metrics['splits'])} test cut-offs 30 days apart, each predicted by a model trained only on labels",
        (
            f"settled by then: {best['rows']:,} customer-dates, {best['positives']} churned (base rate "
            f"{best['base_rate']:.2%}). Precision and recall are at probability 0.5; the top decile is the"
        ),
        "tenth of customers with the highest scores.",
        "",
        "| model | " + " | ".join(title for title, _ in _COLUMNS) + " |",
        "|---|" + "---:|" * len(_COLUMNS),
    ]
    for name, metrics in candidates.items():
        mark = " (chosen)" if name == model.metrics["chosen"] else ""
        cells = " | ".join(_told(metrics[key]) for _, key in _COLUMNS)
        lines.append(f"| {name}{mark} | {cells} |")
    lines += [
        "",
        "## Calibration by decile of score",
        "",
        f"![Calibration]({model.version}.svg)",
        "",
        "| decile | customers | predicted | observed |",
        "|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {row['decile']:.0f} | {row['rows']:.0f} | {row['predicted']:.2%} | {row['observed']:.2%} |"
        for row in best["calibration_by_decile"]
    ]
    return [*lines, ""]


def _told(value: float | None) -> str:
    return "n/a" if value is None else f"{value:.3f}"
