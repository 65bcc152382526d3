"""Area under the ROC curve."""

from __future__ import annotations

from typing import TYPE_CHECKING

from treadle.core.types import MetricTags
from treadle.metrics._ranked import RANKED, Ranked
from treadle.metrics._sums import Reweighted, ratio, undefined

if TYPE_CHECKING:
    from treadle.core.types import Array


class RocAuc(Ranked):
    """P(a positive scores above a negative), ties counting half. More classes: one against the rest, macro average."""

    tags = MetricTags(tasks=RANKED, reads="probability")

    def of(self, positive: Array, score: Array) -> Reweighted:
        """Sort the negatives once; under each weighting, look up what weight of them lies below each positive."""
        import numpy as np

        high, low = np.flatnonzero(positive), np.flatnonzero(~positive)
        if not len(high) or not len(low):
            return undefined
        low = low[np.argsort(score[low], kind="stable")]
        high = high[np.argsort(score[high], kind="stable")]
        below, upto = (np.searchsorted(score[low], score[high], side) for side in ("left", "right"))
        tied = bool((below != upto).any())

        def values(weights: Array) -> Array:
            sums = np.zeros((len(weights), len(low) + 1))
            np.cumsum(weights[:, low], axis=1, out=sums[:, 1:])
            wins = sums[:, below]
            if tied:
                wins = 0.5 * (wins + sums[:, upto])
            mine = weights[:, high]
            return ratio(np.einsum("ij,ij->i", mine, wins), mine.sum(axis=1) * sums[:, -1])

        return values


COMPONENT = RocAuc
