"""DBSCAN: groups are where rows lie close together; what lies alone is noise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self

from treadle.core.options import Doc, Range
from treadle.core.types import Context, Features, ModelTags
from treadle.models._clusters import Points
from treadle.models._distances import drawn_in, sample, squared

if TYPE_CHECKING:
    from treadle.core.types import Array


class Dbscan(Points):
    """Ester, Kriegel, Sander and Xu 1996. A row within ``distance`` of a core row joins its group, else it is noise.

    Without a distance it is read off the knee of the sorted distances to the ``neighbors``-th neighbour (the point
    farthest from the chord: Satopää et al. 2011). Of many rows a random sample of ``max_rows`` is grouped.
    """

    tags: ClassVar[ModelTags] = ModelTags(
        tasks=frozenset({"clustering"}), scaled=True, can=frozenset({"settled", "weights"})
    )

    def __init__(
        self,
        *,
        distance: Annotated[
            float, Range(0.0, 1e9, tune=(0.1, 5.0)), Doc("how near is near; 0 reads it off the data")
        ] = 0.0,
        neighbors: Annotated[
            int, Range(1, 10_000, log=True, tune=(3, 50)), Doc("rows near a core row, itself too")
        ] = 8,
        max_rows: Annotated[int, Range(100, 1_000_000, tuned=False), Doc("training rows grouped")] = 10_000,
    ) -> None:
        self.distance = distance
        self.neighbors = neighbors
        self.max_rows = max_rows

    def fit(self, train: Features, valid: Features | None, context: Context) -> Self:
        """Find the core rows and their groups."""
        import numpy as np
        from sklearn.cluster import DBSCAN

        kept = sample(train.rows, self.max_rows, context.seed)
        if len(kept) < train.rows:
            context.events.message(f"dbscan groups a random {len(kept):,} of {train.rows:,} rows")
        matrix = drawn_in(train.matrix()[kept])
        self.reach = self.distance or self._knee(matrix)
        if not matrix.shape[1] or not len(matrix):
            self.points, self.labels = matrix[:1], np.zeros(len(matrix[:1]), dtype=np.int64)
            return self
        weight = None if train.weight is None else train.weight[kept]
        library = DBSCAN(eps=self.reach, min_samples=self.neighbors, n_jobs=context.threads)
        labels = library.fit(matrix, sample_weight=weight).labels_.astype(np.int64)
        self.points, self.labels = matrix[library.core_sample_indices_], labels[library.core_sample_indices_]
        return self

    def _knee(self, matrix: Array) -> float:
        """The distance where the sorted distances to the k-th neighbour bend upwards; above zero."""
        import numpy as np

        if not matrix.size:
            return 1.0
        place = min(self.neighbors, len(matrix)) - 1
        found = np.zeros(len(matrix))
        for part, distances in squared(matrix, matrix):
            found[part] = np.partition(distances, place, axis=1)[:, place]
        curve = np.sqrt(np.sort(found))
        chord = np.linspace(curve[0], curve[-1], len(curve))
        knee = float(curve[int(np.argmax(chord - curve))])
        return max(knee, 1e-6)

    def settled(self) -> dict[str, Any]:
        """The distance that was read off."""
        return {"distance": self.reach}


COMPONENT = Dbscan
