"""Share of the rows whose class is among the three most probable."""

from __future__ import annotations

from typing import TYPE_CHECKING

from treadle.core.types import MetricTags, Outcomes
from treadle.metrics._sums import Mean

if TYPE_CHECKING:
    from treadle.core.types import Array


class Top3Accuracy(Mean):
    """Right when fewer than three classes are more probable; equal ones count in falling order of their codes."""

    tags = MetricTags(tasks=frozenset({"classification"}), reads="probability")

    def rows(self, outcomes: Outcomes) -> Array | None:
        """1 for a row whose class is among the first three."""
        import numpy as np

        if outcomes.probability is None:
            return None
        probability = np.asarray(outcomes.probability, dtype=np.float64)
        truth = np.asarray(outcomes.truth)[:, None]
        own = np.take_along_axis(probability, truth, axis=1)
        before = (probability > own) | ((probability == own) & (np.arange(probability.shape[1]) > truth))
        return np.asarray(before.sum(axis=1, keepdims=True) < 3, dtype=np.float64)


COMPONENT = Top3Accuracy
