"""Mean recall over the classes, those that are only predicted included."""

from __future__ import annotations

from typing import TYPE_CHECKING

from treadle.core.types import MetricTags
from treadle.metrics._confusion import CLASSES, Confusion, averaged
from treadle.metrics._sums import ratio

if TYPE_CHECKING:
    from treadle.core.types import Array


class RecallMacro(Confusion):
    """The plain mean of the recall of all classes that occur as truth or prediction."""

    tags = MetricTags(tasks=CLASSES)

    def of(self, hit: Array, actual: Array, predicted: Array) -> Array:
        """Mean over the classes."""
        return averaged(ratio(hit, actual, 0.0), actual, predicted)


COMPONENT = RecallMacro
