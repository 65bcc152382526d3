"""Adjusted Rand index."""

from __future__ import annotations

from typing import TYPE_CHECKING

from treadle.core.types import MetricTags
from treadle.metrics._clusters import CLUSTERS, Pairs
from treadle.metrics._sums import ratio

if TYPE_CHECKING:
    from treadle.core.types import Array


class Ari(Pairs):
    """Agreement of clusters and labels on pairs of rows, beyond chance (Hubert and Arabie 1985)."""

    tags = MetricTags(tasks=CLUSTERS, low=-0.5)

    def table(self, pair: Array, label: Array, cluster: Array) -> Array:
        """From the numbers of pairs that stay together."""
        import numpy as np

        together, same, near = ((part * (part - 1.0) / 2.0).sum(axis=-1) for part in (pair, label, cluster))
        rows = pair.sum(axis=-1)
        chance = ratio(same * near, rows * (rows - 1.0) / 2.0, 0.0)
        best = 0.5 * (same + near)
        return np.where((together == same) & (together == near), 1.0, ratio(together - chance, best - chance, 1.0))


COMPONENT = Ari
