"""V-measure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from treadle.metrics._clusters import LABELLED, Pairs, information
from treadle.metrics._sums import ratio

if TYPE_CHECKING:
    from treadle.core.types import Array


class VMeasure(Pairs):
    """Harmonic mean of homogeneity and completeness (Rosenberg and Hirschberg 2007); equal to ``nmi``."""

    tags = LABELLED

    def table(self, pair: Array, label: Array, cluster: Array) -> Array:
        """Information over mean entropy; 1 when neither splits the rows."""
        import numpy as np

        shared, labels, clusters = information(pair, label, cluster)
        return np.clip(ratio(2.0 * shared, labels + clusters, 1.0), 0.0, 1.0)


COMPONENT = VMeasure
