"""Mean F1, each class by its rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from treadle.core.types import MetricTags
from treadle.metrics._confusion import CLASSES, Confusion, f_score
from treadle.metrics._sums import ratio

if TYPE_CHECKING:
    from treadle.core.types import Array


class F1Weighted(Confusion):
    """The mean of the F1 of all classes, each weighing as many rows as it truly has."""

    tags = MetricTags(tasks=CLASSES)

    def of(self, hit: Array, actual: Array, predicted: Array) -> Array:
        """Weighted mean over the classes."""
        return ratio((f_score(hit, actual, predicted) * actual).sum(axis=-1), actual.sum(axis=-1))


COMPONENT = F1Weighted
