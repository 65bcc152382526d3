"""Share of the positives that are found."""

from __future__ import annotations

from typing import TYPE_CHECKING

from treadle.core.types import MetricTags
from treadle.metrics._confusion import CLASSES, Confusion, positive
from treadle.metrics._sums import ratio

if TYPE_CHECKING:
    from treadle.core.types import Array


class Recall(Confusion):
    """Of the rows that are of the last of two classes, the share that is found; 0 when there are none."""

    tags = MetricTags(tasks=CLASSES, binary=True)

    def of(self, hit: Array, actual: Array, predicted: Array) -> Array:
        """Hits among the actual."""
        return positive(ratio(hit, actual, 0.0))


COMPONENT = Recall
