"""What the clustering models share: points with labels on disk, the nearest of them for a new row, how many groups."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Self

from treadle.core.arrays import load_arrays, save_arrays
from treadle.core.errors import TreadleError
from treadle.core.types import Features
from treadle.models._distances import drawn_in, nearest

if TYPE_CHECKING:
    import polars as pl

    from treadle.core.types import Array

MAX_LABEL = 1_000_000
SILHOUETTE_ROWS = 1_500


class Points:
    """Points that carry a label; a row takes that of the nearest one, or -1 where none is within ``reach``.

    Attributes:
        points: float64 (points, width).
        labels: int64 (points,).
        reach: the distance that still counts, or infinity.
    """

    points: Array
    labels: Array
    reach: float

    def predict(self, features: Features) -> pl.DataFrame:
        """``prediction``, the label of each row; -1 is noise."""
        import numpy as np
        import polars as pl

        matrix = drawn_in(features.matrix())
        if not len(self.points):
            return pl.DataFrame({"prediction": np.full(len(matrix), -1, dtype=np.int64)})
        position, distance = nearest(matrix, self.points)
        within = np.sqrt(distance) <= self.reach * (1 + 1e-9)
        return pl.DataFrame({"prediction": np.where(within, self.labels[position], -1)})

    def save(self, folder: Path) -> None:
        """Three arrays."""
        import numpy as np

        save_arrays(folder, {"points": self.points, "labels": self.labels, "reach": np.array([self.reach])})

    def load(self, folder: Path) -> Self:
        """Read and check them."""
        import numpy as np

        self.points, self.labels, reach = load_arrays(folder, "points", "labels", "reach")
        good = self.points.ndim == 2 and self.points.dtype == np.float64 and bool(np.isfinite(self.points).all())
        good = good and self.labels.dtype == np.int64 and self.labels.shape == (len(self.points),)
        good = good and reach.shape == (1,) and reach.dtype == np.float64 and bool(reach[0] >= 0)
        if not good or (len(self.labels) and not (self.labels.min() >= -1 and self.labels.max() <= MAX_LABEL)):
            raise TreadleError("the points and their labels do not fit together", where=folder)
        self.reach = float(reach[0])
        return self


def best_count(matrix: Array, most: int, seed: int, label: Callable[[int], Array], stop: Callable[[], bool]) -> int:
    """The number of groups with the best silhouette (Rousseeuw 1987), measured on a sample of the rows.

    Args:
        matrix: (rows, width).
        most: the largest number tried; the smallest is 2.
        seed: of the sample.
        label: labels of all rows for a number of groups.
        stop: whether to be content with what was tried so far.
    """
    import numpy as np
    from sklearn.metrics import silhouette_score

    from treadle.models._distances import sample

    distinct = len(np.unique(matrix, axis=0)) if len(matrix) <= 10 * most else len(matrix)
    picked = sample(len(matrix), SILHOUETTE_ROWS, seed)
    best, score = 1, -2.0
    for count in range(2, min(most, distinct) + 1):
        if best > 1 and stop():
            break
        labels = label(count)[picked]
        if 1 < len(np.unique(labels)) < len(labels):
            found = float(silhouette_score(matrix[picked], labels))
            if found > score:
                best, score = count, found
    return best
