"""Mean F1 over the classes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from treadle.core.types import MetricTags
from treadle.metrics._confusion import CLASSES, Confusion, averaged, f_score

if TYPE_CHECKING:
    from treadle.core.types import Array


class F1Macro(Confusion):
    """The plain mean of the F1 of all classes that occur."""

    tags = MetricTags(tasks=CLASSES)

    def of(self, hit: Array, actual: Array, predicted: Array) -> Array:
        """Mean over the classes."""
        return averaged(f_score(hit, actual, predicted), actual, predicted)


COMPONENT = F1Macro
