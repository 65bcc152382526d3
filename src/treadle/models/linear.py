"""Linear models: logistic regression and ridge regression."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self

from treadle.core.arrays import load_arrays, save_arrays
from treadle.core.errors import TreadleError
from treadle.core.files import write_json
from treadle.core.options import Doc, Range
from treadle.core.types import Context, Features, ModelTags
from treadle.models._intervals import out_of_fold, residual_quantiles
from treadle.models._sklearn import checked_seen, finite, probability_frame, read_facts, softmax, value_frame

if TYPE_CHECKING:
    import polars as pl

    from treadle.core.types import Array

FAR = 1e6
FEW_WEIGHTS = 400
FOLDS = 5


class Linear:
    """Logistic regression (L2) for classes, ridge regression for numbers, on standardized columns.

    Newton's method solves for few weights, L-BFGS for many. With ``quantiles`` (regression) the interval has one width
    for all rows: the quantiles of the residuals out of five folds (split conformal prediction).
    """

    tags: ClassVar[ModelTags] = ModelTags(
        tasks=frozenset({"classification", "regression"}),
        scaled=True,
        can=frozenset({"importance", "contributions", "quantiles", "weights"}),
    )

    def __init__(
        self,
        *,
        penalty: Annotated[
            float, Range(1e-6, 1e6, log=True, tune=(1e-3, 1e3)), Doc("strength of the L2 penalty")
        ] = 1.0,
        max_iter: Annotated[int, Range(1, 100_000, tuned=False), Doc("steps of the optimiser at most")] = 1000,
    ) -> None:
        self.penalty = penalty
        self.max_iter = max_iter

    def fit(self, train: Features, valid: Features | None, context: Context) -> Self:
        """Solve for the weights."""
        import numpy as np

        matrix = _matrix(train)
        self.classes = context.classes
        self.center: Array = matrix.mean(axis=0) if len(matrix) else np.zeros(matrix.shape[1])
        self.seen: list[int] = np.unique(np.asarray(train.target)).tolist() if self.classes else []
        self.levels = [] if self.classes else [float(level) for level in sorted(context.quantiles)]
        self.offsets: Array = np.zeros(len(self.levels))
        if self.classes and len(self.seen) < 2:
            self.weights, self.bias = np.zeros((1, matrix.shape[1])), np.zeros(1)
            return self
        target = np.asarray(train.target)
        self.weights, self.bias = self._solve(matrix, target, train.weight, context)
        if self.levels and len(matrix) >= 2 * FOLDS:

            def fit(part: Array, truth: Array, weight: Array | None) -> Any:
                weights, bias = self._solve(part, truth, weight, context)
                return lambda rows: (rows @ weights.T + bias)[:, 0]

            fair = out_of_fold(matrix, target, train.weight, FOLDS, context.seed, fit)
            self.offsets = np.array(residual_quantiles(target - fair, self.levels))
        return self

    def _solve(self, matrix: Array, target: Array, weight: Array | None, context: Context) -> tuple[Array, Array]:
        """(outputs, width) weights and (outputs,) biases."""
        import numpy as np
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.linear_model import LogisticRegression, Ridge

        if not matrix.shape[1]:  # nothing but the biases to learn
            matrix = np.zeros((len(matrix), 1))
            weights, bias = self._solve(matrix, target, weight, context)
            return weights[:, :0], bias
        if not self.classes:
            model = Ridge(alpha=self.penalty, random_state=context.seed).fit(matrix, target, sample_weight=weight)
            return np.atleast_2d(model.coef_), np.atleast_1d(model.intercept_)
        outputs = 1 if len(self.seen) == 2 else len(self.seen)
        few = matrix.shape[1] * outputs <= FEW_WEIGHTS < len(matrix)
        solver = "newton-cholesky" if few else "lbfgs"
        model = LogisticRegression(
            C=1.0 / self.penalty, solver=solver, max_iter=self.max_iter, random_state=context.seed
        )
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            model.fit(matrix, target, sample_weight=weight)
        if any(issubclass(item.category, ConvergenceWarning) for item in caught):
            context.events.message(f"linear used all of its {self.max_iter} steps without settling")
        return model.coef_.astype(np.float64), model.intercept_.astype(np.float64)

    def predict(self, features: Features) -> pl.DataFrame:
        """Probabilities, or values with their quantiles."""
        import numpy as np

        if self.classes and len(self.seen) < 2:
            return probability_frame(np.ones((features.rows, len(self.seen))), self.seen, self.classes)
        scores = _matrix(features) @ self.weights.T + self.bias
        if not self.classes:
            values = scores[:, 0]
            return value_frame(
                values, {level: values + by for level, by in zip(self.levels, self.offsets, strict=True)}
            )
        if scores.shape[1] == 1:
            scores = np.concatenate([np.zeros_like(scores), scores], axis=1)
        return probability_frame(softmax(scores), self.seen, self.classes)

    def importance(self) -> Array:
        """Mean absolute weight of each (standardized) column."""
        import numpy as np

        return np.asarray(np.abs(self.weights).mean(axis=0))

    def contributions(self, features: Features) -> Array:
        """SHAP values, exact for independent columns: weight x (value - mean); the base comes last."""
        import numpy as np

        centred = _matrix(features) - self.center
        base = self.weights @ self.center + self.bias
        parts = centred[:, None, :] * self.weights[None, :, :]
        bases = np.broadcast_to(base[None, :, None], (len(centred), len(base), 1))
        found = np.concatenate([parts, bases], axis=2)
        return found[:, 0, :] if found.shape[1] == 1 else found

    def save(self, folder: Path) -> None:
        """Five arrays, and JSON."""
        import numpy as np

        arrays = {"weights": self.weights, "bias": self.bias, "center": self.center, "offsets": self.offsets}
        save_arrays(folder, {**arrays, "seen": np.array(self.seen, dtype=np.int64)})
        write_json(folder / "model.json", {"classes": self.classes, "levels": self.levels})

    def load(self, folder: Path) -> Self:
        """Read and check them."""
        names = ("weights", "bias", "center", "offsets", "seen")
        self.weights, self.bias, self.center, self.offsets, seen = load_arrays(folder, *names)
        facts = read_facts(folder / "model.json", classes=int, levels=list)
        self.classes, self.levels = facts["classes"], [float(level) for level in facts["levels"]]
        self.seen = checked_seen(seen, self.classes, folder)
        outputs = len(self.seen) if len(self.seen) > 2 else 1
        finite(
            folder,
            center=(self.center, (None,)),
            weights=(self.weights, (outputs, len(self.center) if self.center.ndim else 0)),
            bias=(self.bias, (outputs,)),
            offsets=(self.offsets, (len(self.levels),)),
        )
        if self.classes and not self.seen:
            raise TreadleError("a classifier without classes", where=folder)
        return self


def _matrix(features: Features) -> Array:
    """float64; a value a million deviations away is drawn in, so that no score overflows."""
    import numpy as np

    return np.clip(features.matrix().astype(np.float64), -FAR, FAR)


COMPONENT = Linear
