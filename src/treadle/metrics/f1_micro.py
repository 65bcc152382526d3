"""F1 of all decisions together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from treadle.core.types import MetricTags
from treadle.metrics._confusion import CLASSES, Confusion, f_score

if TYPE_CHECKING:
    from treadle.core.types import Array


class F1Micro(Confusion):
    """F1 of hits and misses counted over all classes: with one label a row it equals accuracy."""

    tags = MetricTags(tasks=CLASSES)

    def of(self, hit: Array, actual: Array, predicted: Array) -> Array:
        """F1 of the sums."""
        return f_score(hit.sum(axis=-1), actual.sum(axis=-1), predicted.sum(axis=-1))


COMPONENT = F1Micro
