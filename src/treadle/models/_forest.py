"""What random forests and extra trees share: growing in batches, storing the trees, answering from their leaves."""

from __future__ import annotations

import time
from abc import abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self

from treadle.core.arrays import load_arrays, save_arrays
from treadle.core.errors import TreadleError
from treadle.core.files import write_json
from treadle.core.options import Doc, Range
from treadle.core.types import Context, Features, ModelTags
from treadle.models._sklearn import checked_seen, finite, probability_frame, read_facts, two_columns, value_frame
from treadle.models._trees import Trees, from_sklearn

if TYPE_CHECKING:
    import polars as pl

    from treadle.core.types import Array

BATCH = 10
CHUNK = 1 << 22


class ForestModel:
    """An average of trees. Categories come as codes, the frequent ones first; missing values go their own way.

    With ``quantiles`` (regression) each leaf also keeps one of its training values, drawn at random; the quantiles of
    these over the trees are those of the forest (Meinshausen 2006, in the thrifty form of Wright and Ziegler 2017).
    """

    tags: ClassVar[ModelTags] = ModelTags(
        tasks=frozenset({"classification", "regression"}),
        accepts=frozenset({"number", "category"}),
        missing=True,
        can=frozenset({"importance", "quantiles", "weights"}),
    )

    def __init__(
        self,
        *,
        trees: Annotated[int, Range(1, 10_000, log=True, tuned=False), Doc("how many")] = 200,
        max_features: Annotated[
            float, Range(0.01, 1.0, tune=(0.1, 1.0)), Doc("share of columns a split looks at")
        ] = 0.3,
        min_samples_leaf: Annotated[int, Range(1, 10_000, log=True, tune=(1, 50)), Doc("rows in a leaf")] = 3,
        max_depth: Annotated[int, Range(1, 1000, tuned=False), Doc("levels of a tree")] = 40,
    ) -> None:
        self.trees = trees
        self.max_features = max_features
        self.min_samples_leaf = min_samples_leaf
        self.max_depth = max_depth

    @classmethod
    def example(cls) -> Self:
        """A small one."""
        return cls(trees=20)

    @abstractmethod
    def _estimator(self, options: dict[str, Any], *, classes: bool) -> Any:
        """The unfitted scikit-learn estimator."""

    def fit(self, train: Features, valid: Features | None, context: Context) -> Self:
        """Grow the trees, a few at a time; a wish to stop, or the end of the budget, keeps those grown."""
        import numpy as np

        self.classes, self.columns = context.classes, len(train.names)
        self.levels = [] if self.classes else [float(level) for level in sorted(context.quantiles)]
        target = np.asarray(train.target)
        self.seen: list[int] = np.unique(target).tolist() if self.classes else []
        self.gains: Array = np.zeros(self.columns)
        self.forest: Trees | None = None
        if self.classes and len(self.seen) < 2:
            return self
        matrix = _matrix(train)
        estimator = self._grow(matrix, target, train.weight, context)
        grown = [item.tree_ for item in estimator.estimators_]
        self.forest = from_sklearn(grown, self._leaf_values(grown, matrix, target, context.seed), matrix.shape[1])
        self.gains = np.asarray(estimator.feature_importances_, dtype=np.float64)[: self.columns]
        return self

    def _grow(self, matrix: Array, target: Array, weight: Array | None, context: Context) -> Any:
        options = {
            "max_features": self.max_features,
            "min_samples_leaf": self.min_samples_leaf,
            "max_depth": self.max_depth,
            "n_jobs": context.threads,
            "random_state": context.seed,
            "warm_start": True,
        }
        estimator = self._estimator(options, classes=bool(self.classes))
        ends = None if context.budget is None else time.monotonic() + context.budget
        for done in range(0, self.trees, BATCH):
            if done and (context.events.stopping or (ends is not None and time.monotonic() > ends)):
                context.events.message(f"asked to stop after {done} of {self.trees} trees; these are kept")
                break
            context.events.progress("growing trees", done, self.trees)
            estimator.set_params(n_estimators=min(self.trees, done + BATCH))
            estimator.fit(matrix, target, sample_weight=weight)
        return estimator

    def _leaf_values(self, grown: list[Any], matrix: Array, target: Array, seed: int) -> list[Array]:
        """What the nodes of each tree say: class shares (of the last class alone for two), or means and a draw."""
        import numpy as np

        found = []
        order = np.random.default_rng(seed).permutation(len(matrix))
        for tree in grown:
            values = tree.value[:, 0, :]
            if self.classes:
                shares = values / np.maximum(values.sum(axis=1, keepdims=True), 1e-300)
                found.append(shares[:, 1:] if shares.shape[1] == 2 else shares)
            elif self.levels:
                drawn = values[:, 0].copy()
                drawn[tree.apply(matrix)[order]] = target[order]
                found.append(np.stack([values[:, 0], drawn], axis=1))
                order = np.roll(order, len(order) // 7 + 1)
            else:
                found.append(values)
        return found

    def predict(self, features: Features) -> pl.DataFrame:
        """Probabilities, or values with their quantiles."""
        import numpy as np

        if self.forest is None:
            return probability_frame(np.ones((features.rows, len(self.seen))), self.seen, self.classes)
        matrix = _matrix(features)
        if self.levels:
            return self._with_quantiles(self.forest, matrix)
        mean = self.forest.total(matrix) / self.forest.count
        if not self.classes:
            return value_frame(mean[:, 0])
        if mean.shape[1] == 1:
            return probability_frame(two_columns(mean), self.seen, self.classes)
        return probability_frame(mean / mean.sum(axis=1, keepdims=True), self.seen, self.classes)

    def _with_quantiles(self, forest: Trees, matrix: Array) -> pl.DataFrame:
        import numpy as np

        mean = np.zeros(len(matrix))
        quantiles = np.zeros((len(self.levels), len(matrix)))
        step = max(1, CHUNK // forest.count)
        for begin in range(0, len(matrix), step):
            part = slice(begin, begin + step)
            leaves = forest.values[forest.leaf_rows(matrix[part])]
            mean[part] = np.add.accumulate(leaves[:, :, 0], axis=1)[:, -1] / forest.count
            quantiles[:, part] = np.quantile(leaves[:, :, 1], self.levels, axis=1)
        return value_frame(mean, dict(zip(self.levels, quantiles, strict=True)))

    def importance(self) -> Array:
        """Mean decrease in impurity of each column (Breiman 2001), summing to one."""
        return self.gains

    def save(self, folder: Path) -> None:
        """Arrays of the trees, and JSON."""
        import numpy as np

        facts = {"classes": self.classes, "columns": self.columns, "levels": self.levels}
        write_json(folder / "model.json", facts)
        save_arrays(folder, {"gains": self.gains, "seen": np.array(self.seen, dtype=np.int64)})
        if self.forest is not None:
            self.forest.save(folder)

    def load(self, folder: Path) -> Self:
        """Read it back; trees that could lead a walk astray are refused."""
        facts = read_facts(folder / "model.json", classes=int, columns=int, levels=list)
        self.classes, self.columns = facts["classes"], facts["columns"]
        self.levels = [float(level) for level in facts["levels"]]
        self.gains, seen = load_arrays(folder, "gains", "seen")
        finite(folder, gains=(self.gains, (self.columns,)))
        self.seen = checked_seen(seen, self.classes, folder)
        self.forest = None
        if self.classes and len(self.seen) < 2:
            return self
        self.forest = Trees.load(folder, max(1, self.columns))
        outputs = (len(self.seen) if len(self.seen) > 2 else 1) if self.classes else 1 + bool(self.levels)
        finite(folder, values=(self.forest.values, (None, outputs)))
        if self.classes and (self.forest.values.min() < 0 or (outputs > 1 and _short(self.forest.values))):
            raise TreadleError("the leaves hold no probabilities", where=folder)
        return self


def _short(values: Array) -> bool:
    """Whether some row of shares does not sum to one."""
    import numpy as np

    return bool((np.abs(values.sum(axis=1) - 1.0) > 1e-6).any())


def _matrix(features: Features) -> Array:
    """float32 (rows, columns); one column of zeros where there is none, for the library wants one."""
    import numpy as np

    matrix = features.matrix()
    return matrix if matrix.shape[1] else np.zeros((features.rows, 1), dtype=np.float32)
