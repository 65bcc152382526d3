"""Median absolute error."""

from __future__ import annotations

from typing import TYPE_CHECKING

from treadle.core.types import MetricTags, Outcomes
from treadle.metrics._kept import Kept
from treadle.metrics._sums import Reweighted, errors, undefined

if TYPE_CHECKING:
    from treadle.core.types import Array


class MedianAe(Kept):
    """The size of error that half of the rows stay below, in the unit of the target."""

    tags = MetricTags(tasks=frozenset({"regression"}), greater_is_better=False, high=None)

    def keep(self, outcomes: Outcomes) -> tuple[Array, ...] | None:
        """Absolute errors."""
        import numpy as np

        return (np.abs(errors(outcomes)),)

    def of(self, *kept: Array) -> Reweighted:
        """Sort once; under each weighting the errors at half of the weight, the mean of two on a tie."""
        import numpy as np

        order = np.argsort(kept[0], kind="stable")
        error = kept[0][order]

        def values(weights: Array) -> Array:
            reached = np.cumsum(weights[:, order], axis=1)
            half = 0.5 * reached[:, -1:]
            last = len(error) - 1
            lower = np.minimum((reached < half).sum(axis=1), last)
            upper = np.minimum((reached <= half).sum(axis=1), last)
            return np.where(half[:, 0] > 0, 0.5 * (error[lower] + error[upper]), np.nan)

        return undefined if np.isnan(error).any() else values


COMPONENT = MedianAe
