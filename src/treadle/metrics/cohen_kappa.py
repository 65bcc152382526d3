"""Cohen's kappa."""

from __future__ import annotations

from typing import TYPE_CHECKING

from treadle.core.types import MetricTags
from treadle.metrics._confusion import CLASSES, Confusion
from treadle.metrics._sums import ratio

if TYPE_CHECKING:
    from treadle.core.types import Array


class CohenKappa(Confusion):
    """Agreement beyond what chance would give (Cohen 1960); NaN when truth and prediction are one same class."""

    tags = MetricTags(tasks=CLASSES, low=-1.0)

    def of(self, hit: Array, actual: Array, predicted: Array) -> Array:
        """1 - observed disagreement / expected disagreement."""
        rows = actual.sum(axis=-1)
        expected = rows**2 - (actual * predicted).sum(axis=-1)
        return 1.0 - ratio((rows - hit.sum(axis=-1)) * rows, expected)


COMPONENT = CohenKappa
