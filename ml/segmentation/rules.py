"""Rule segments: the first match of dormant, power, regular, explorer, other counts.

The thresholds are METRICS.md §6's. "A week" is the trailing seven days; active calls are those that
succeeded; features are those used in the trailing 30 days; paid means MRR > 0 at the instant, free
or trial means it is 0; lifetime value is net revenue so far; months are 30 days; a customer that
never called has been silent since signup.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

DORMANT, POWER, REGULAR, EXPLORER, OTHER = "Dormant", "Power User", "Regular", "Explorer", "Other"
RULE_SEGMENTS = (DORMANT, POWER, REGULAR, EXPLORER, OTHER)
THREE_MONTHS = 90


def rule_segment(table: pd.DataFrame) -> pd.Series:
    """Exactly one segment per row.

    Args:
        table: active_calls_7d, features_used_30d, days_silent, days_since_signup, is_paid,
            lifetime_value (any money unit).
    """
    calls, paid = table["active_calls_7d"], table["is_paid"].astype(bool)
    conditions = [
        (table["days_silent"] > 30) & (table["lifetime_value"] > 0),
        (calls > 50) & (table["features_used_30d"] > 10) & paid,
        (calls >= 5) & (calls <= 50) & paid & (table["days_since_signup"] > THREE_MONTHS),
        (calls >= 1) & (calls < 5) & ~paid & (table["days_since_signup"] < THREE_MONTHS),
    ]
    chosen = np.select(conditions, RULE_SEGMENTS[:4], default=OTHER)
    return pd.Series(chosen, index=table.index, name="rule_segment")
