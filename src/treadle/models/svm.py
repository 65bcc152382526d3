"""Support vector machine with the radial kernel."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self

from treadle.core.arrays import load_arrays, save_arrays
from treadle.core.errors import TreadleError
from treadle.core.files import write_json
from treadle.core.options import Doc, Range
from treadle.core.types import Context, Features, ModelTags
from treadle.models._distances import drawn_in, sample, squared
from treadle.models._intervals import out_of_fold, residual_quantiles
from treadle.models._sklearn import checked_seen, finite, probability_frame, read_facts, softmax, value_frame

if TYPE_CHECKING:
    import polars as pl

    from treadle.core.types import Array

FOLDS = 3
CACHE_MB = 300


class Svm:
    """Support vectors (Cortes and Vapnik 1995; libsvm), one machine for two classes, one against the rest for more.

    Probabilities come from the decision values by a logistic map (Platt 1999; one map of all values for more than two
    classes) that is learned out of three folds. Training takes time with the square of the rows, so a random sample
    of ``max_rows`` is learned from. Regression's intervals are the quantiles of the residuals out of three folds.
    """

    tags: ClassVar[ModelTags] = ModelTags(
        tasks=frozenset({"classification", "regression"}),
        scaled=True,
        can=frozenset({"quantiles", "weights"}),
    )

    def __init__(
        self,
        *,
        cost: Annotated[float, Range(1e-4, 1e5, log=True, tune=(0.05, 50.0)), Doc("price of a row inside the margin")]
        = 1.0,
        gamma: Annotated[
            float, Range(1e-3, 1e3, log=True, tune=(0.02, 3.0)), Doc("width of the kernel, in 1 / (columns x variance)")
        ] = 0.2,
        epsilon: Annotated[
            float, Range(0.0, 10.0, tune=(0.01, 0.3)), Doc("error that costs nothing, in deviations (regression)")
        ] = 0.1,
        max_rows: Annotated[int, Range(100, 1_000_000, tuned=False), Doc("training rows learned from")] = 6_000,
    ) -> None:  # fmt: skip
        self.cost = cost
        self.gamma = gamma
        self.epsilon = epsilon
        self.max_rows = max_rows

    def fit(self, train: Features, valid: Features | None, context: Context) -> Self:
        """Solve, then learn the map from decision values to probabilities."""
        import numpy as np

        kept = sample(train.rows, self.max_rows, context.seed)
        if len(kept) < train.rows:
            context.events.message(f"svm learns from a random {len(kept):,} of {train.rows:,} rows (option max_rows)")
        matrix, target = drawn_in(train.matrix()[kept]), np.asarray(train.target)[kept]
        weight = None if train.weight is None else train.weight[kept]
        self.classes = context.classes
        self.seen: list[int] = np.unique(target).tolist() if self.classes else []
        self.levels = [] if self.classes else [float(level) for level in sorted(context.quantiles)]
        self.offsets: Array = np.zeros(len(self.levels))
        self.center, self.scale = (0.0, 1.0) if self.classes else (float(target.mean()), float(target.std()) or 1.0)
        self.width: float = self.gamma / max(1e-12, matrix.shape[1] * float(matrix.var() if matrix.size else 0.0))
        outputs = 1 if len(self.seen) <= 2 else len(self.seen)
        self.vectors, self.weights = np.zeros((0, matrix.shape[1])), np.zeros((outputs, 0))
        self.bias = np.zeros(outputs)
        self.slope, self.shift = np.zeros((outputs, outputs)), np.zeros(outputs)
        if not matrix.shape[1] or (self.classes and len(self.seen) < 2):
            self._settle_constant(target, weight)
            return self
        self.vectors, self.weights, self.bias = self._solve(matrix, target, weight)
        if self.classes:
            self._calibrate(matrix, target, weight, context)
        elif self.levels:
            fair = out_of_fold(matrix, target, weight, FOLDS, context.seed, self._machine)
            self.offsets = np.array(residual_quantiles(target - (fair[:, 0] * self.scale + self.center), self.levels))
        return self

    def _settle_constant(self, target: Array, weight: Array | None) -> None:
        """Nothing to learn from, or one class only: the shares of the classes (numbers keep their mean)."""
        import numpy as np

        if len(self.seen) >= 2:
            counts = np.bincount(np.searchsorted(self.seen, target), weights=weight, minlength=len(self.seen))
            logs = np.log(np.maximum(counts, 1e-9))
            self.shift = logs[1:] - logs[:1] if len(logs) == 2 else logs

    def _machine(self, matrix: Array, target: Array, weight: Array | None) -> Any:
        """Learn from these rows; a function from rows to decision values."""
        vectors, weights, bias = self._solve(matrix, target, weight)
        return lambda rows: self._decide(rows, vectors, weights, bias)

    def _solve(self, matrix: Array, target: Array, weight: Array | None) -> tuple[Array, Array, Array]:
        """Support vectors (n, width), their weights (outputs, n) and the biases (outputs,)."""
        import numpy as np
        from sklearn.svm import SVC, SVR

        options: dict[str, Any] = {"C": self.cost, "gamma": self.width, "cache_size": CACHE_MB}
        if not self.classes:
            scaled = (target - self.center) / self.scale
            machines = [SVR(epsilon=self.epsilon, **options).fit(matrix, scaled, sample_weight=weight)]
        elif len(self.seen) == 2:
            machines = [_part(SVC(**options), matrix, target == self.seen[1], weight)]
        else:
            machines = [_part(SVC(**options), matrix, target == code, weight) for code in self.seen]
        used = np.unique(np.concatenate([machine.support_ for machine in machines if machine is not None] or [[]]))
        used = used.astype(np.int64)
        weights, bias = np.zeros((len(machines), len(used))), np.full(len(machines), -1.0)
        for place, machine in enumerate(machines):
            if machine is not None:
                weights[place, np.searchsorted(used, machine.support_)] = machine.dual_coef_[0]
                bias[place] = machine.intercept_[0]
        return matrix[used], weights, bias

    def _decide(self, rows: Array, vectors: Array, weights: Array, bias: Array) -> Array:
        import numpy as np

        found = np.zeros((len(rows), len(bias)))
        for part, distances in squared(rows, vectors):
            distances *= -self.width
            found[part] = np.exp(distances, out=distances) @ weights.T
        return found + bias

    def _calibrate(self, matrix: Array, target: Array, weight: Array | None, context: Context) -> None:
        import numpy as np
        from sklearn.linear_model import LogisticRegression

        fair = out_of_fold(matrix, target, weight, FOLDS, context.seed, self._machine)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a map that is not quite settled is a map
            found = LogisticRegression(C=100.0, max_iter=300).fit(fair, target, sample_weight=weight)
        self.slope, self.shift = found.coef_.astype(np.float64), found.intercept_.astype(np.float64)

    def predict(self, features: Features) -> pl.DataFrame:
        """Probabilities, or values with their quantiles."""
        import numpy as np

        if self.classes and len(self.seen) < 2:
            return probability_frame(np.ones((features.rows, len(self.seen))), self.seen, self.classes)
        scores = self._decide(drawn_in(features.matrix()), self.vectors, self.weights, self.bias)
        if not self.classes:
            values = scores[:, 0] * self.scale + self.center
            return value_frame(
                values, {level: values + by for level, by in zip(self.levels, self.offsets, strict=True)}
            )
        scores = scores @ self.slope.T + self.shift
        if scores.shape[1] == 1:
            scores = np.concatenate([np.zeros_like(scores), scores], axis=1)
        return probability_frame(softmax(scores), self.seen, self.classes)

    def save(self, folder: Path) -> None:
        """The support vectors (float32, the form they came in), their weights, and JSON."""
        import numpy as np

        arrays = {name: getattr(self, name) for name in ("weights", "bias", "slope", "shift", "offsets")}
        arrays |= {"vectors": self.vectors.astype(np.float32), "seen": np.array(self.seen, dtype=np.int64)}
        save_arrays(folder, arrays)
        names = ("classes", "levels", "width", "center", "scale")
        write_json(folder / "model.json", {name: getattr(self, name) for name in names})

    def load(self, folder: Path) -> Self:
        """Read and check them."""
        import numpy as np

        names = ("weights", "bias", "slope", "shift", "offsets", "vectors", "seen")
        self.weights, self.bias, self.slope, self.shift, self.offsets, vectors, seen = load_arrays(folder, *names)
        kinds: dict[str, Any] = {"classes": int, "levels": list, "width": float, "center": float, "scale": float}
        facts = read_facts(folder / "model.json", **kinds)
        self.classes, self.levels = facts["classes"], [float(level) for level in facts["levels"]]
        self.width, self.center, self.scale = (float(facts[name]) for name in ("width", "center", "scale"))
        self.seen = checked_seen(seen, self.classes, folder)
        if vectors.dtype != np.float32 or self.width < 0 or (self.classes and not self.seen):
            raise TreadleError("the parts of the model do not fit together", where=folder)
        self.vectors = vectors.astype(np.float64)
        outputs = 1 if len(self.seen) <= 2 else len(self.seen)
        finite(
            folder,
            vectors=(self.vectors, (None, None)),
            weights=(self.weights, (outputs, len(self.vectors) if self.vectors.ndim else 0)),
            bias=(self.bias, (outputs,)),
            slope=(self.slope, (outputs, outputs)),
            shift=(self.shift, (outputs,)),
            offsets=(self.offsets, (len(self.levels),)),
        )
        return self


def _part(machine: Any, matrix: Array, positive: Array, weight: Array | None) -> Any:
    """The machine that parts these rows from the others; None where a fold holds only one side."""
    if positive.all() or not positive.any():
        return None
    return machine.fit(matrix, positive, sample_weight=weight)


COMPONENT = Svm
