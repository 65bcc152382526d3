"""k nearest neighbours, by brute force."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

from treadle.core.arrays import load_arrays, save_arrays
from treadle.core.errors import TreadleError
from treadle.core.files import write_json
from treadle.core.options import Doc, Range
from treadle.core.types import Context, Features, ModelTags
from treadle.models._distances import Neighbours, drawn_in, sample
from treadle.models._sklearn import checked_seen, finite, probability_frame, read_facts, value_frame

if TYPE_CHECKING:
    import polars as pl

    from treadle.core.types import Array


class Knn:
    """The training rows most like a row vote on it (Fix and Hodges 1951); on standardized columns.

    Quantiles are those of the neighbours' values. Above ``max_rows`` a random sample of the training rows is kept.
    """

    tags: ClassVar[ModelTags] = ModelTags(
        tasks=frozenset({"classification", "regression"}),
        scaled=True,
        can=frozenset({"quantiles", "weights"}),
    )

    def __init__(
        self,
        *,
        neighbors: Annotated[int, Range(1, 10_000, log=True, tune=(3, 100)), Doc("rows that vote")] = 25,
        weighting: Annotated[
            Literal["uniform", "distance"], Doc("one vote each, or votes by 1 / distance")
        ] = "distance",
        max_rows: Annotated[int, Range(100, 10_000_000, tuned=False), Doc("training rows kept")] = 50_000,
    ) -> None:
        self.neighbors = neighbors
        self.weighting = weighting
        self.max_rows = max_rows

    def fit(self, train: Features, valid: Features | None, context: Context) -> Self:
        """Keep the rows."""
        import numpy as np

        kept = sample(train.rows, self.max_rows, context.seed)
        if len(kept) < train.rows:
            context.events.message(f"knn keeps a random {len(kept):,} of {train.rows:,} rows (option max_rows)")
        self.classes = context.classes
        self.levels = [] if self.classes else [float(level) for level in sorted(context.quantiles)]
        self.rows: Array = drawn_in(train.matrix()[kept])
        self.index = Neighbours(self.rows)
        target = np.asarray(train.target)[kept]
        self.seen: list[int] = np.unique(target).tolist() if self.classes else []
        self.target: Array = np.searchsorted(self.seen, target) if self.classes else target.astype(np.float64)
        self.weight: Array = np.ones(len(kept)) if train.weight is None else train.weight[kept].astype(np.float64)
        return self

    def predict(self, features: Features) -> pl.DataFrame:
        """Probabilities, or values with their quantiles."""
        import numpy as np

        matrix = drawn_in(features.matrix())
        width = len(self.seen) if self.classes else 1 + len(self.levels)
        found = np.zeros((len(matrix), width))
        count = min(self.neighbors, len(self.rows))
        for part, near, distances in self.index.find(matrix, count):
            votes = self._votes(distances, near)
            target = self.target[near]
            if self.classes:
                shares = [np.where(target == code, votes, 0.0).sum(axis=1) for code in range(width)]
                found[part] = np.stack(shares, axis=1)
                found[part] /= found[part].sum(axis=1, keepdims=True)
            else:
                found[part, 0] = (votes * target).sum(axis=1)
                if self.levels:
                    found[part, 1:] = np.quantile(target, self.levels, axis=1).T
        if self.classes:
            return probability_frame(found, self.seen, self.classes)
        return value_frame(found[:, 0], {level: found[:, place] for place, level in enumerate(self.levels, 1)})

    def _votes(self, distances: Array, near: Array) -> Array:
        """Votes of the neighbours of each row, summing to one; neighbours in the same place take all of them."""
        import numpy as np

        votes = self.weight[near]
        if self.weighting == "distance":
            here = distances <= 1e-12
            by_distance = votes / np.sqrt(np.maximum(distances, 1e-12))
            votes = np.where(here.any(axis=1, keepdims=True), np.where(here, votes, 0.0), by_distance)
        total = votes.sum(axis=1, keepdims=True)
        return np.where(total > 0, votes / np.where(total > 0, total, 1.0), 1.0 / votes.shape[1])

    def save(self, folder: Path) -> None:
        """The rows as float32 (the form they came in), their targets and weights."""
        import numpy as np

        arrays = {"rows": self.rows.astype(np.float32), "target": self.target, "weight": self.weight}
        save_arrays(folder, {**arrays, "seen": np.array(self.seen, dtype=np.int64)})
        write_json(folder / "model.json", {"classes": self.classes, "levels": self.levels})

    def load(self, folder: Path) -> Self:
        """Read and check them."""
        import numpy as np

        rows, self.target, self.weight, seen = load_arrays(folder, "rows", "target", "weight", "seen")
        facts = read_facts(folder / "model.json", classes=int, levels=list)
        self.classes, self.levels = facts["classes"], [float(level) for level in facts["levels"]]
        self.seen = checked_seen(seen, self.classes, folder)
        if rows.dtype != np.float32 or rows.ndim != 2 or not len(rows):
            raise TreadleError("the rows are not a float32 matrix", where=folder)
        self.rows = rows.astype(np.float64)
        self.index = Neighbours(self.rows)
        codes = self.target.astype(np.float64) if self.target.dtype == np.int64 else self.target
        finite(folder, rows=(self.rows, (None, None)), target=(codes, (len(rows),)), weight=(self.weight, (len(rows),)))
        kinds = (self.target.dtype == np.int64) == bool(self.classes) and self.weight.min() >= 0
        if not kinds or (self.classes and not (codes.min() >= 0 and codes.max() < len(self.seen))):
            raise TreadleError("the targets do not fit the classes", where=folder)
        if not all(0 < level < 1 for level in self.levels):
            raise TreadleError("a level of a quantile lies outside 0 to 1", where=folder)
        return self


COMPONENT = Knn
