"""Largest error."""

from __future__ import annotations

from typing import TYPE_CHECKING

from treadle.core.types import MetricTags, Outcomes
from treadle.metrics._kept import Kept
from treadle.metrics._sums import Reweighted, errors

if TYPE_CHECKING:
    from treadle.core.types import Array


class MaxError(Kept):
    """The size of the worst error, in the unit of the target."""

    tags = MetricTags(tasks=frozenset({"regression"}), greater_is_better=False, high=None)

    def keep(self, outcomes: Outcomes) -> tuple[Array, ...] | None:
        """Absolute errors."""
        import numpy as np

        return (np.abs(errors(outcomes)),)

    def of(self, *kept: Array) -> Reweighted:
        """The largest error of the rows that have a weight."""
        import numpy as np

        return lambda weights: np.where(weights > 0, kept[0], -np.inf).max(axis=1, initial=-np.inf)


COMPONENT = MaxError
