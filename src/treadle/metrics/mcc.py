"""Matthews correlation coefficient."""

from __future__ import annotations

from typing import TYPE_CHECKING

from treadle.core.types import MetricTags
from treadle.metrics._confusion import CLASSES, Confusion
from treadle.metrics._sums import ratio

if TYPE_CHECKING:
    from treadle.core.types import Array


class Mcc(Confusion):
    """Correlation of truth and prediction (Gorodkin 2004 for more than two classes); 0 when either is constant."""

    tags = MetricTags(tasks=CLASSES, low=-1.0)

    def of(self, hit: Array, actual: Array, predicted: Array) -> Array:
        """Covariance over the square root of the variances."""
        import numpy as np

        rows = actual.sum(axis=-1)
        both = hit.sum(axis=-1) * rows - (actual * predicted).sum(axis=-1)
        one, other = rows**2 - (predicted**2).sum(axis=-1), rows**2 - (actual**2).sum(axis=-1)
        return ratio(both, np.sqrt(np.maximum(one * other, 0.0)), 0.0)


COMPONENT = Mcc
