"""What clusterings are compared by: how many rows each pair of label and cluster shares."""

from __future__ import annotations

from typing import TYPE_CHECKING

from treadle.core.types import MetricTags, Outcomes
from treadle.metrics._kept import Kept
from treadle.metrics._sums import Reweighted, grouped

if TYPE_CHECKING:
    from treadle.core.types import Array

CLUSTERS: frozenset[str] = frozenset({"clustering"})
LABELLED = MetricTags(tasks=CLUSTERS)


class Pairs(Kept):
    """A metric of the contingency table of true labels and clusters; the names of either do not matter."""

    tags = LABELLED

    def keep(self, outcomes: Outcomes) -> tuple[Array, ...] | None:
        """Labels and clusters."""
        import numpy as np

        return np.asarray(outcomes.truth), np.asarray(outcomes.prediction)

    def table(self, pair: Array, label: Array, cluster: Array) -> Array:
        """Values (...) from the rows of each pair, each label and each cluster, (..., number of them)."""
        raise NotImplementedError

    def of(self, *kept: Array) -> Reweighted:
        """Count the pairs under each weighting."""
        import numpy as np

        labels, clusters = (np.unique(part, return_inverse=True)[1] for part in kept)
        width = int(clusters.max()) + 1
        pairs, codes = np.unique(labels * width + clusters, return_inverse=True)
        count = grouped(codes, len(pairs))
        by_label, by_cluster = grouped(pairs // width, int(labels.max()) + 1), grouped(pairs % width, width)

        def values(weights: Array) -> Array:
            shared = count(weights)
            return self.table(shared, by_label(shared), by_cluster(shared))

        return values


def information(pair: Array, label: Array, cluster: Array) -> tuple[Array, Array, Array]:
    """Mutual information of labels and clusters, and the entropy of each, in nats."""
    total = pair.sum(axis=-1)
    of_pairs, of_labels, of_clusters = (_entropy(part, total) for part in (pair, label, cluster))
    return of_labels + of_clusters - of_pairs, of_labels, of_clusters


def _entropy(counts: Array, total: Array) -> Array:
    import numpy as np

    share = counts / total[..., None]
    each = share * np.log(np.where(share > 0, share, 1.0))
    return np.asarray(-each.sum(axis=-1))


def groups_of(features: Array, clusters: Array) -> tuple[Array, Array, int]:
    """Features as float64, clusters as codes 0 to k - 1, and k."""
    import numpy as np

    names, codes = np.unique(clusters, return_inverse=True)
    return np.asarray(features, dtype=np.float64), codes, len(names)


def features_of(outcomes: Outcomes) -> tuple[Array, Array] | None:
    """The feature matrix and the clusters, or None when the features are not there."""
    import numpy as np

    features = outcomes.extra.get("features")
    return None if features is None else (np.asarray(features), np.asarray(outcomes.prediction))
