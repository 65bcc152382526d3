"""Share of predictions that are right."""

from __future__ import annotations

from typing import TYPE_CHECKING

from treadle.core.types import MetricTags
from treadle.metrics._confusion import CLASSES, Confusion
from treadle.metrics._sums import ratio

if TYPE_CHECKING:
    from treadle.core.types import Array


class Accuracy(Confusion):
    """Right predictions divided by all, weighted where weights are given."""

    tags = MetricTags(tasks=CLASSES)

    def of(self, hit: Array, actual: Array, predicted: Array) -> Array:
        """Hits divided by rows."""
        return ratio(hit.sum(axis=-1), actual.sum(axis=-1))


COMPONENT = Accuracy
