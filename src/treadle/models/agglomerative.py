"""Agglomerative clustering: the two nearest groups become one, again and again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from treadle.core.options import Doc, Range
from treadle.core.types import Context, Features, ModelTags
from treadle.models._clusters import Points, best_count
from treadle.models._distances import drawn_in, sample

if TYPE_CHECKING:
    from treadle.core.types import Array


class Agglomerative(Points):
    """Ward 1963, or another linkage. A new row joins the group of the nearest training row.

    Memory grows with the square of the rows, so a random sample of ``max_rows`` is grouped. Without a number of
    clusters the one with the best silhouette is taken.
    """

    tags: ClassVar[ModelTags] = ModelTags(tasks=frozenset({"clustering"}), scaled=True, can=frozenset({"settled"}))

    def __init__(
        self,
        *,
        clusters: Annotated[
            int, Range(0, 10_000, tune=(2, 20)), Doc("how many; 0 takes the number with the best silhouette")
        ] = 0,
        linkage: Annotated[
            Literal["ward", "average", "complete", "single"], Doc("what the distance of two groups is")
        ] = "ward",
        most: Annotated[int, Range(2, 100, tuned=False), Doc("clusters to try when the number is not given")] = 10,
        max_rows: Annotated[int, Range(100, 30_000, tuned=False), Doc("training rows grouped")] = 4_000,
    ) -> None:
        self.clusters = clusters
        self.linkage = linkage
        self.most = most
        self.max_rows = max_rows

    def fit(self, train: Features, valid: Features | None, context: Context) -> Self:
        """Group the rows: the tree of groups is grown once and cut where it parts best."""
        import numpy as np
        from scipy.cluster.hierarchy import fcluster, linkage

        kept = sample(train.rows, self.max_rows, context.seed)
        if len(kept) < train.rows:
            context.events.message(f"agglomerative groups a random {len(kept):,} of {train.rows:,} rows")
        self.points = drawn_in(train.matrix()[kept])
        self.labels, self.reach = np.zeros(len(kept), dtype=np.int64), float("inf")
        if len(kept) < 2 or not self.points.shape[1]:
            return self
        tree = linkage(self.points, self.linkage)

        def cut(count: int) -> Array:
            return np.asarray(fcluster(tree, count, criterion="maxclust"), dtype=np.int64) - 1

        count = self.clusters or best_count(self.points, self.most, context.seed, cut, lambda: context.events.stopping)
        self.labels = cut(count)
        return self

    def settled(self) -> dict[str, Any]:
        """The number of clusters."""
        return {"clusters": max(1, len(set(self.labels.tolist())))}


COMPONENT = Agglomerative
