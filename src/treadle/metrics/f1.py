"""F1 of the positive class."""

from __future__ import annotations

from typing import TYPE_CHECKING

from treadle.core.types import MetricTags
from treadle.metrics._confusion import CLASSES, Confusion, f_score, positive

if TYPE_CHECKING:
    from treadle.core.types import Array


class F1(Confusion):
    """Harmonic mean of precision and recall of the last of two classes; NaN for more classes (see ``f1_macro``)."""

    tags = MetricTags(tasks=CLASSES, binary=True)

    def of(self, hit: Array, actual: Array, predicted: Array) -> Array:
        """F1 of the last of two classes."""
        return positive(f_score(hit, actual, predicted))


COMPONENT = F1
