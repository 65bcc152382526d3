"""Share of the positive predictions that are right."""

from __future__ import annotations

from typing import TYPE_CHECKING

from treadle.core.types import MetricTags
from treadle.metrics._confusion import CLASSES, Confusion, positive
from treadle.metrics._sums import ratio

if TYPE_CHECKING:
    from treadle.core.types import Array


class Precision(Confusion):
    """Of the rows said to be of the last of two classes, the share that is; 0 when none is said to be."""

    tags = MetricTags(tasks=CLASSES, binary=True)

    def of(self, hit: Array, actual: Array, predicted: Array) -> Array:
        """Hits among the predicted."""
        return positive(ratio(hit, predicted, 0.0))


COMPONENT = Precision
