"""Mean silhouette coefficient."""

from __future__ import annotations

from typing import TYPE_CHECKING

from treadle.core.types import MetricTags, Outcomes
from treadle.metrics._clusters import CLUSTERS, features_of, groups_of
from treadle.metrics._kept import Kept
from treadle.metrics._sums import Reweighted, ratio, undefined

if TYPE_CHECKING:
    from treadle.core.types import Array

SAMPLE = 2000


class Silhouette(Kept):
    """How much nearer a row is to its own cluster than to the next one, -1 to 1 (Rousseeuw 1987).

    Euclidean distances between the encoded features; of more than 2,000 rows, a fixed sample of 2,000 is measured.
    """

    tags = MetricTags(tasks=CLUSTERS, reads="features", truth=False, low=-1.0)

    def keep(self, outcomes: Outcomes) -> tuple[Array, ...] | None:
        """Features and clusters."""
        return features_of(outcomes)

    def of(self, *kept: Array) -> Reweighted:
        """Distances once; under each weighting, mean distances to each cluster."""
        import numpy as np

        rows = len(kept[0])
        sample = np.arange(rows)
        if rows > SAMPLE:
            sample = np.sort(np.random.default_rng(0).choice(rows, SAMPLE, replace=False))
        features, codes, count = groups_of(kept[0][sample], kept[1][sample])
        if not 1 < count < len(features) or np.isnan(features).any():
            return undefined
        distance = _distances(features)
        members = [np.flatnonzero(codes == code) for code in range(count)]

        def values(weights: Array) -> Array:
            chosen = weights[:, sample]
            own = np.zeros_like(chosen)
            other = np.full_like(chosen, np.inf)
            alone = np.zeros(chosen.shape, dtype=bool)
            for code, index in enumerate(members):
                size = chosen[:, index].sum(axis=1, keepdims=True)
                sums = chosen[:, index] @ distance[index]
                away = codes != code
                apart = ratio(sums[:, away], np.broadcast_to(size, (len(size), int(away.sum()))), np.inf)
                other[:, away] = np.minimum(other[:, away], apart)
                own[:, index] = sums[:, index] / np.maximum(size - 1.0, 1e-12)
                alone[:, index] = size <= 1.0
            with np.errstate(invalid="ignore"):
                each = np.where(alone, 0.0, ratio(other - own, np.maximum(other, own), 0.0))
            return ratio((chosen * np.nan_to_num(each)).sum(axis=1), chosen.sum(axis=1))

        return values


def _distances(features: Array) -> Array:
    import numpy as np

    centred = features - features.mean(axis=0)
    norms = (centred**2).sum(axis=1)
    squares = norms[:, None] + norms[None, :] - 2.0 * centred @ centred.T
    np.fill_diagonal(squares, 0.0)
    return np.asarray(np.sqrt(np.maximum(squares, 0.0)))


COMPONENT = Silhouette
