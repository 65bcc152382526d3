"""Mean recall over the classes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from treadle.core.types import MetricTags
from treadle.metrics._confusion import CLASSES, Confusion
from treadle.metrics._sums import ratio

if TYPE_CHECKING:
    from treadle.core.types import Array


class BalancedAccuracy(Confusion):
    """The mean, over the classes that occur, of the share of their rows that is found (Brodersen et al. 2010)."""

    tags = MetricTags(tasks=CLASSES)

    def of(self, hit: Array, actual: Array, predicted: Array) -> Array:
        """Mean recall."""
        import numpy as np

        there = actual > 0
        recall = np.where(there, ratio(hit, actual, 0.0), 0.0)
        return ratio(recall.sum(axis=-1), there.sum(axis=-1))


COMPONENT = BalancedAccuracy
