"""Isolation forest: what random splits part from the rest early is strange."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self

from treadle.core.files import write_json
from treadle.core.options import Doc, Range
from treadle.core.types import Context, Features, ModelTags
from treadle.models._sklearn import finite, read_facts
from treadle.models._trees import Trees, from_sklearn

if TYPE_CHECKING:
    import polars as pl

    from treadle.core.types import Array

BATCH = 20
EULER = 0.5772156649015329


class IsolationForest:
    """Liu, Ting and Zhou 2008, grown by scikit-learn, stored as checked arrays.

    ``score`` is the anomaly score of the paper (0 to 1) less the one that a share ``contamination`` of the training
    rows exceeds, so a score above zero marks an anomaly.
    """

    tags: ClassVar[ModelTags] = ModelTags(tasks=frozenset({"anomaly"}), can=frozenset({"weights"}))

    def __init__(
        self,
        *,
        trees: Annotated[int, Range(1, 10_000, log=True, tuned=False), Doc("how many")] = 200,
        sample: Annotated[int, Range(2, 1_000_000, log=True, tuned=False), Doc("rows that a tree sees")] = 256,
        contamination: Annotated[
            float, Range(0.0, 0.5, tuned=False), Doc("share of the training rows to call anomalous")
        ] = 0.02,
    ) -> None:
        self.trees = trees
        self.sample = sample
        self.contamination = contamination

    @classmethod
    def example(cls) -> IsolationForest:
        """A small one."""
        return cls(trees=30)

    def fit(self, train: Features, valid: Features | None, context: Context) -> Self:
        """Grow the trees, a few at a time, and find where the strange ones begin."""
        import numpy as np
        from sklearn.ensemble import IsolationForest as Grower

        matrix = _matrix(train)
        self.columns = matrix.shape[1]
        rows = min(self.sample, len(matrix))
        options: dict[str, Any] = {"max_samples": rows, "random_state": context.seed, "warm_start": True}
        grower = Grower(n_jobs=context.threads, contamination="auto", **options)
        ends = None if context.budget is None else time.monotonic() + context.budget
        for done in range(0, self.trees, BATCH):
            if done and (context.events.stopping or (ends is not None and time.monotonic() > ends)):
                context.events.message(f"asked to stop after {done} of {self.trees} trees; these are kept")
                break
            context.events.progress("growing trees", done, self.trees)
            grower.set_params(n_estimators=min(self.trees, done + BATCH)).fit(matrix, sample_weight=train.weight)
        grown = [item.tree_ for item in grower.estimators_]
        self.forest = from_sklearn(grown, [_path_lengths(tree) for tree in grown], self.columns)
        self.usual = max(1.0, float(_average_path(np.array([rows]))[0]))
        self.offset = float(np.quantile(self._strangeness(matrix), 1.0 - self.contamination))
        return self

    def predict(self, features: Features) -> pl.DataFrame:
        """``score``, above zero for an anomaly."""
        import polars as pl

        return pl.DataFrame({"score": self._strangeness(_matrix(features)) - self.offset})

    def _strangeness(self, matrix: Array) -> Array:
        """2 ** -(mean path length / usual path length): near 1 for what is parted at once."""
        import numpy as np

        mean = self.forest.total(matrix)[:, 0] / self.forest.count
        return np.asarray(np.exp2(-mean / self.usual))

    def save(self, folder: Path) -> None:
        """Arrays of the trees, and JSON."""
        self.forest.save(folder)
        facts = {"columns": self.columns, "usual": self.usual, "offset": self.offset}
        write_json(folder / "model.json", facts)

    def load(self, folder: Path) -> Self:
        """Read it back; trees that could lead a walk astray are refused."""
        facts = read_facts(folder / "model.json", columns=int, usual=float, offset=float)
        self.columns, self.usual, self.offset = facts["columns"], max(1.0, facts["usual"]), facts["offset"]
        self.forest = Trees.load(folder, self.columns)
        finite(folder, values=(self.forest.values, (None, 1)))
        return self


def _average_path(rows: Array) -> Array:
    """Mean depth at which a search among so many random rows fails (Liu et al. 2008, eq. 1)."""
    import numpy as np

    count = np.maximum(rows.astype(np.float64), 3.0)
    many = 2.0 * (np.log(count - 1.0) + EULER) - 2.0 * (count - 1.0) / count
    return np.where(rows <= 1, 0.0, np.where(rows == 2, 1.0, many))


def _path_lengths(tree: Any) -> Array:
    """(nodes, 1): the depth of each node, and what its rows would go on for."""
    import numpy as np

    depth = np.zeros(tree.node_count)
    for node in range(tree.node_count):  # parents come first
        if tree.children_left[node] >= 0:
            depth[[tree.children_left[node], tree.children_right[node]]] = depth[node] + 1
    return (depth + _average_path(tree.n_node_samples)).reshape(-1, 1)


def _matrix(features: Features) -> Array:
    """float32 (rows, columns); one column of zeros where there is none, for the library wants one."""
    import numpy as np

    matrix = features.matrix()
    return matrix if matrix.shape[1] else np.zeros((features.rows, 1), dtype=np.float32)


COMPONENT = IsolationForest
