"""Brier score."""

from __future__ import annotations

from typing import TYPE_CHECKING

from treadle.core.types import MetricTags, Outcomes
from treadle.metrics._sums import Mean

if TYPE_CHECKING:
    from treadle.core.types import Array


class Brier(Mean):
    """Mean squared error of the probabilities (Brier 1950): summed over the classes, halved when there are two."""

    tags = MetricTags(tasks=frozenset({"classification"}), greater_is_better=False, reads="probability", high=2.0)

    def rows(self, outcomes: Outcomes) -> Array | None:
        """Squared errors of the probabilities."""
        import numpy as np

        if outcomes.probability is None:
            return None
        error = np.array(outcomes.probability, dtype=np.float64)
        error[np.arange(len(outcomes)), outcomes.truth] -= 1.0
        half = 0.5 if error.shape[1] == 2 else 1.0
        return np.asarray(half * (error**2).sum(axis=1, keepdims=True))


COMPONENT = Brier
