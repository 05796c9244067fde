"""Whether a newly trained model takes over: only if it beats the baseline and the model in use, beyond noise.

To beat the baseline it must tell customers apart: where fewer leave than before, any lower probability for all has a
lower log loss than the old rate.

Both are compared on the same rows by log loss, and whole customers are drawn again (paired bootstrap).
The baseline on every row predicted out of time; the model in use only on dates whose label its own
training could not have seen, or it would be judged on what it has learnt by heart.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from ml.registry import Model

BOOTSTRAP_ROUNDS = 400
# Fewer leavers than these say nothing about which of two is better: of those tested, against the base rate; of those
# since the model in use was trained, against it.
MIN_TEST_POSITIVES = 20
MIN_FRESH_POSITIVES = 20


@dataclass(frozen=True)
class Gain:
    """How much one model's log loss lies below another's, per row.

    Attributes:
        mean: Above 0: the first is better.
        low: Lower end of the 90 % interval.
        high: Upper end.
        rows: Rows compared.
        positives: Of them, who left.
    """

    mean: float
    low: float
    high: float
    rows: int
    positives: int

    @property
    def is_beyond_noise(self) -> bool:
        """The whole interval lies above 0."""
        return self.low > 0

    def told(self, other: str) -> str:
        """In words."""
        return (
            f"log loss {self.mean:+.4f} below {other}'s "
            f"(90 % interval {self.low:+.4f} to {self.high:+.4f}, {self.positives} churns)"
        )


@dataclass(frozen=True)
class Decision:
    """What becomes of a newly trained model, and why.

    Attributes:
        status: `promoted`, `rejected` (the model in use stays) or `fallback` (scores are the base rate).
        reason: One sentence with the figures.
        over_baseline: Gain over the base rate; None where nothing could be evaluated.
        over_champion: Gain over the model in use; None where there is none, or nothing fresh to compare on.
        champion: Version of the model in use at the time; None: none.
    """

    status: str
    reason: str
    over_baseline: Gain | None = None
    over_champion: Gain | None = None
    champion: str | None = None


def log_losses(label: np.ndarray, score: np.ndarray) -> np.ndarray:
    """Log loss of each row."""
    clipped = np.clip(score, 1e-6, 1 - 1e-6)
    return -(label * np.log(clipped) + (1 - label) * np.log(1 - clipped))


def paired_gain(
    label: np.ndarray, score: np.ndarray, other: np.ndarray, groups: np.ndarray, *, seed: int
) -> Gain:
    """Gain of `score` over `other` on the same rows, when whole groups are drawn again."""
    gains = log_losses(label, other) - log_losses(label, score)
    codes, _ = pd.factorize(groups)
    totals, counts = np.bincount(codes, weights=gains), np.bincount(codes)
    draws = np.random.default_rng(seed).integers(
        0, len(totals), size=(BOOTSTRAP_ROUNDS, len(totals))
    )
    means = totals[draws].sum(axis=1) / counts[draws].sum(axis=1)
    low, high = np.quantile(means, [0.05, 0.95])
    return Gain(float(gains.mean()), float(low), float(high), len(gains), int(label.sum()))


def shortfall(over_baseline: Gain, roc_auc: float | None) -> str | None:
    """What a candidate lacks to stand above the base rate; None: nothing.

    Args:
        over_baseline: Its gain over the base rate.
        roc_auc: None where all tested stayed, or all left.
    """
    if over_baseline.positives < MIN_TEST_POSITIVES:
        return (
            f"{over_baseline.positives} churns are too few to test on (needs {MIN_TEST_POSITIVES})"
        )
    if not over_baseline.is_beyond_noise:
        return "does not beat the base rate beyond noise"
    if roc_auc is None or roc_auc <= 0.5:
        return "does not tell who leaves from who stays (ROC AUC 0.5 or less)"
    return None


def decide(
    kind: str,
    over_baseline: Gain,
    *,
    roc_auc: float | None,
    champion: str | None = None,
    over_champion: Gain | None = None,
    cannot_score: str | None = None,
) -> Decision:
    """The rule.

    Args:
        kind: Name of the candidate that was chosen.
        over_baseline: Its gain over the base rate.
        roc_auc: On the same rows.
        champion: Version of the model in use, unless that is only the base rate.
        over_champion: Its gain over that model on fresh rows; None: there are none.
        cannot_score: Why the model in use can't score today's features, if it can't.
    """
    against_rate = f"{kind}: {over_baseline.told('the base rate')}"
    if lacking := shortfall(over_baseline, roc_auc):
        if champion is not None and cannot_score is None:
            return Decision(
                "rejected", f"{lacking}; {against_rate}", over_baseline, over_champion, champion
            )
        return Decision("fallback", f"the base rate is used: {lacking}; {against_rate}",
                        over_baseline, None, champion)  # fmt: skip
    if champion is None:
        return Decision("promoted", f"beats the base rate, and no model is in use; {against_rate}",
                        over_baseline)  # fmt: skip
    if cannot_score is not None:
        return Decision("promoted", f"beats the base rate, and {champion} {cannot_score}; {against_rate}",
                        over_baseline, None, champion)  # fmt: skip
    if over_champion is None or over_champion.positives < MIN_FRESH_POSITIVES:
        seen = over_champion.positives if over_champion is not None else 0
        return Decision("rejected", f"{champion} stays: {seen} churns since it was trained are too few to judge by "
                        f"(needs {MIN_FRESH_POSITIVES}); {against_rate}",
                        over_baseline, over_champion, champion)  # fmt: skip
    against_champion = over_champion.told(champion)
    if over_champion.is_beyond_noise:
        return Decision("promoted", f"beats the model in use and the base rate beyond noise; {against_champion}; "
                        f"{against_rate}", over_baseline, over_champion, champion)  # fmt: skip
    return Decision("rejected", f"{champion} stays: not beaten beyond noise; {against_champion}; {against_rate}",
                    over_baseline, over_champion, champion)  # fmt: skip


def undecided(reason: str, champion: Model | None) -> Decision:
    """Where nothing can be evaluated: the model in use stays, the base rate where there is none."""
    if champion is None or champion.status == "fallback":
        return Decision("fallback", reason)
    return Decision("rejected", reason, champion=champion.version)
