"""Davies-Bouldin index."""

from __future__ import annotations

from typing import TYPE_CHECKING

from treadle.core.types import MetricTags, Outcomes
from treadle.metrics._clusters import CLUSTERS, features_of, groups_of
from treadle.metrics._kept import Kept
from treadle.metrics._sums import Reweighted, ratio, undefined

if TYPE_CHECKING:
    from treadle.core.types import Array


class DaviesBouldin(Kept):
    """Mean likeness of each cluster to the one most like it (Davies and Bouldin 1979); lower is better."""

    tags = MetricTags(tasks=CLUSTERS, greater_is_better=False, reads="features", truth=False, high=None)

    def keep(self, outcomes: Outcomes) -> tuple[Array, ...] | None:
        """Features and clusters."""
        return features_of(outcomes)

    def of(self, *kept: Array) -> Reweighted:
        """Under each weighting the centres move, and the mean distances to them with it."""
        import numpy as np

        features, codes, count = groups_of(*kept)
        if not 1 < count < len(features) or np.isnan(features).any():
            return undefined
        parts = [(np.flatnonzero(codes == code), features[codes == code]) for code in range(count)]
        return lambda weights: _index(*zip(*(_around(part, weights[:, rows]) for rows, part in parts), strict=True))


def _around(features: Array, weights: Array) -> tuple[Array, Array]:
    """Centre (replicates, width) and mean distance to it (replicates,); NaN for a cluster that was not drawn."""
    import numpy as np

    rows = weights.sum(axis=1)
    origin = features.mean(axis=0)
    moved = features - origin
    centre = ratio(weights @ moved, rows[:, None])
    squares = (moved**2).sum(axis=1) - 2.0 * centre @ moved.T + (centre**2).sum(axis=1)[:, None]
    distance = np.sqrt(np.maximum(squares, 0.0))
    return centre + origin, ratio((weights * distance).sum(axis=1), rows)


def _index(centres: tuple[Array, ...], spreads: tuple[Array, ...]) -> Array:
    """The mean of each cluster's worst likeness to another, (replicates,)."""
    import numpy as np

    middle, spread = np.stack(centres, axis=1), np.stack(spreads, axis=1)
    apart = np.sqrt(((middle[:, :, None, :] - middle[:, None, :, :]) ** 2).sum(axis=3))
    alike = (spread[:, :, None] + spread[:, None, :]) / np.where(apart == 0, np.inf, apart)
    there = ~np.isnan(spread)
    worst = np.nan_to_num(alike, nan=0.0).max(axis=2) * there
    found = ratio(worst.sum(axis=1), there.sum(axis=1))
    return np.where(there.sum(axis=1) > 1, found, np.nan)


COMPONENT = DaviesBouldin
