"""k-means: groups around their means."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self

from treadle.core.options import Doc, Range
from treadle.core.types import Context, Features, ModelTags
from treadle.models._clusters import Points, best_count
from treadle.models._distances import drawn_in

if TYPE_CHECKING:
    from treadle.core.types import Array


class KMeans(Points):
    """Lloyd 1982, begun by k-means++ (Arthur and Vassilvitskii 2007). A row belongs to the nearest mean.

    Without a number of clusters the one with the best silhouette is taken.
    """

    tags: ClassVar[ModelTags] = ModelTags(
        tasks=frozenset({"clustering"}), scaled=True, can=frozenset({"settled", "weights"})
    )

    def __init__(
        self,
        *,
        clusters: Annotated[
            int, Range(0, 10_000, tune=(2, 20)), Doc("how many; 0 takes the number with the best silhouette")
        ] = 0,
        most: Annotated[int, Range(2, 100, tuned=False), Doc("clusters to try when the number is not given")] = 10,
        starts: Annotated[int, Range(1, 100, tuned=False), Doc("random starts, the best of which is kept")] = 4,
    ) -> None:
        self.clusters = clusters
        self.most = most
        self.starts = starts

    def fit(self, train: Features, valid: Features | None, context: Context) -> Self:
        """Find the means."""
        import numpy as np

        matrix = drawn_in(train.matrix())
        count = self.clusters
        if not count:
            count = best_count(
                matrix, self.most, context.seed,
                lambda wanted: np.asarray(self._means(matrix, wanted, train.weight, context).labels_),
                lambda: context.events.stopping,
            )  # fmt: skip
        if not matrix.shape[1] or not len(matrix):
            self.points = np.zeros((min(1, len(matrix)), matrix.shape[1]))
        else:
            self.points = self._means(matrix, count, train.weight, context).cluster_centers_.astype(np.float64)
        self.labels, self.reach = np.arange(len(self.points)), float("inf")
        return self

    def _means(self, matrix: Array, count: int, weight: Array | None, context: Context) -> Any:
        from sklearn.cluster import KMeans as Library
        from threadpoolctl import threadpool_limits

        with warnings.catch_warnings(), threadpool_limits(context.threads):
            warnings.simplefilter("ignore")  # fewer distinct rows than clusters: there are then fewer clusters
            library = Library(min(count, len(matrix)), n_init=self.starts, random_state=context.seed)
            return library.fit(matrix, sample_weight=weight)

    def settled(self) -> dict[str, Any]:
        """The number of clusters."""
        return {"clusters": len(self.points)}


COMPONENT = KMeans
