"""Share of the rows that are flagged."""

from __future__ import annotations

from typing import TYPE_CHECKING

from treadle.core.types import MetricTags, Outcomes
from treadle.metrics._sums import Mean

if TYPE_CHECKING:
    from treadle.core.types import Array


class AnomalyShare(Mean):
    """How many rows the model calls anomalies, as a share of all."""

    tags = MetricTags(tasks=frozenset({"anomaly"}), greater_is_better=False, truth=False)

    def rows(self, outcomes: Outcomes) -> Array | None:
        """1 for a row that is flagged."""
        import numpy as np

        return np.asarray(np.asarray(outcomes.prediction) == 1, dtype=np.float64)[:, None]


COMPONENT = AnomalyShare
