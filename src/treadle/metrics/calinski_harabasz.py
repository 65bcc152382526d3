"""Calinski-Harabasz index."""

from __future__ import annotations

from typing import TYPE_CHECKING

from treadle.core.types import MetricTags, Outcomes
from treadle.metrics._clusters import CLUSTERS, features_of, groups_of
from treadle.metrics._kept import Kept
from treadle.metrics._sums import Reweighted, grouped, ratio, undefined

if TYPE_CHECKING:
    from treadle.core.types import Array


class CalinskiHarabasz(Kept):
    """Spread between the clusters over spread within them (Calinski and Harabasz 1974); higher is better."""

    tags = MetricTags(tasks=CLUSTERS, reads="features", truth=False, high=None)

    def keep(self, outcomes: Outcomes) -> tuple[Array, ...] | None:
        """Features and clusters."""
        return features_of(outcomes)

    def of(self, *kept: Array) -> Reweighted:
        """From sums by cluster of the features and of their squared lengths, both around the mean."""
        import numpy as np

        features, codes, count = groups_of(*kept)
        if not 1 < count < len(features) or np.isnan(features).any():
            return undefined
        centred = features - features.mean(axis=0)
        squares = (centred**2).sum(axis=1)
        size = grouped(codes, count)

        def values(weights: Array) -> Array:
            rows = weights.sum(axis=1)
            sizes = size(weights)
            sums = np.stack([size(weights * column) for column in centred.T], axis=2)
            lengths = ratio((sums**2).sum(axis=2), sizes, 0.0).sum(axis=1)
            middle = ratio((sums.sum(axis=1) ** 2).sum(axis=1), rows, 0.0)
            within = weights @ squares - lengths
            there = (sizes > 0).sum(axis=1)
            found = ratio((lengths - middle) * (rows - there), within * (there - 1.0), 1.0)
            return np.where(there > 1, found, np.nan)

        return values


COMPONENT = CalinskiHarabasz
