"""Davies-Bouldin index."""

from __future__ import annotations

from typing import TYPE_CHECKING

from treadle.core.types import MetricTags, Outcomes
from treadle.metrics._clusters import CLUSTERS, features_of, groups_of
from treadle.metrics._kept import Kept
from treadle.metrics._sums import Reweighted, undefined

if TYPE_CHECKING:
    from treadle.core.types import Array


class DaviesBouldin(Kept):
    """Mean likeness of each cluster to the one most like it (Davies and Bouldin 1979); lower is better."""

    tags = MetricTags(tasks=CLUSTERS, greater_is_better=False, reads="features", truth=False, high=None)

    def keep(self, outcomes: Outcomes) -> tuple[Array, ...] | None:
        """Features and clusters."""
        return features_of(outcomes)

    def of(self, *kept: Array) -> Reweighted:
        """One weighting after the other: the centres move with the weights."""
        import numpy as np

        features, codes, count = groups_of(*kept)
        if not 1 < count < len(features) or np.isnan(features).any():
            return undefined
        members = [np.flatnonzero(codes == code) for code in range(count)]
        return lambda weights: np.array([_index(features, members, weight) for weight in weights])


def _index(features: Array, members: list[Array], weight: Array) -> float:
    import numpy as np

    centres, spreads = [], []
    for index in members:
        share = weight[index]
        if not share.sum():
            continue
        centre = np.average(features[index], axis=0, weights=share)
        distance = np.sqrt(((features[index] - centre) ** 2).sum(axis=1))
        centres.append(centre)
        spreads.append(np.average(distance, weights=share))
    if len(centres) < 2:
        return float("nan")
    middle, spread = np.array(centres), np.array(spreads)
    apart = np.sqrt(((middle[:, None, :] - middle[None, :, :]) ** 2).sum(axis=2))
    if np.allclose(spread, 0.0) or np.allclose(apart, 0.0):
        return 0.0
    apart[apart == 0] = np.inf
    return float(((spread[:, None] + spread[None, :]) / apart).max(axis=1).mean())


COMPONENT = DaviesBouldin
