"""Root mean squared error."""

from __future__ import annotations

from typing import TYPE_CHECKING

from treadle.core.types import MetricTags, Outcomes
from treadle.metrics._sums import Mean, errors

if TYPE_CHECKING:
    from treadle.core.types import Array


class Rmse(Mean):
    """The square root of the mean squared error, in the unit of the target."""

    tags = MetricTags(tasks=frozenset({"regression"}), greater_is_better=False, high=None)

    def rows(self, outcomes: Outcomes) -> Array | None:
        """Squared errors."""
        return errors(outcomes)[:, None] ** 2

    def of(self, sums: Array, total: Array) -> Array:
        """The root of the mean."""
        import numpy as np

        return np.sqrt(super().of(sums, total))


COMPONENT = Rmse
