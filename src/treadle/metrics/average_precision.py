"""Average precision: the area under the precision-recall curve, without interpolation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from treadle.core.types import MetricTags
from treadle.metrics._ranked import RANKED, Ranked
from treadle.metrics._sums import Reweighted, ratio, undefined

if TYPE_CHECKING:
    from treadle.core.types import Array


class AveragePrecision(Ranked):
    """Mean, over the positives, of the precision at their score. More classes: one against the rest, macro average."""

    tags = MetricTags(tasks=RANKED, reads="probability")

    def of(self, positive: Array, score: Array) -> Reweighted:
        """Sort once; under each weighting, precision at each positive from two running sums."""
        import numpy as np

        order = np.argsort(-score, kind="stable")
        high = np.flatnonzero(positive)
        if not len(high):
            return undefined
        high = high[np.argsort(-score[high], kind="stable")]
        among_all, among_high = (
            np.searchsorted(-score[part], -score[high], side="right") - 1 for part in (order, high)
        )

        def values(weights: Array) -> Array:
            mine = weights[:, high]
            said = np.cumsum(weights[:, order], axis=1)[:, among_all]
            right = np.cumsum(mine, axis=1)[:, among_high]
            return ratio(np.einsum("ij,ij->i", mine, ratio(right, said, 0.0)), mine.sum(axis=1))

        return values


COMPONENT = AveragePrecision
