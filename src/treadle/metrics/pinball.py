"""Pinball loss of the predicted interval."""

from __future__ import annotations

from typing import TYPE_CHECKING

from treadle.core.types import MetricTags, Outcomes
from treadle.metrics._sums import Mean

if TYPE_CHECKING:
    from treadle.core.types import Array

LEVELS = (0.05, 0.95)


class Pinball(Mean):
    """The loss that quantiles make small (Koenker and Bassett 1978), mean over both bounds.

    The levels of the bounds come with the outcomes (``extra["levels"]``), else they are 0.05 and 0.95.
    """

    tags = MetricTags(tasks=frozenset({"regression"}), reads="interval", greater_is_better=False, high=None)

    def rows(self, outcomes: Outcomes) -> Array | None:
        """Mean loss of the two bounds."""
        import numpy as np

        if outcomes.low is None or outcomes.high is None:
            return None
        truth = np.asarray(outcomes.truth, dtype=np.float64)
        losses = []
        for level, bound in zip(outcomes.extra.get("levels", LEVELS), (outcomes.low, outcomes.high), strict=True):
            above = truth - bound
            losses.append(np.maximum(level * above, (level - 1.0) * above))
        return np.asarray(np.mean(losses, axis=0)[:, None])


COMPONENT = Pinball
