"""Linear models: logistic regression and ridge regression."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Self

from treadle.core.arrays import load_arrays, save_arrays
from treadle.core.errors import TreadleError
from treadle.core.files import write_json
from treadle.core.jsonable import read_json
from treadle.core.options import Doc, Range
from treadle.core.types import Context, Features, ModelTags

if TYPE_CHECKING:
    import polars as pl

    from treadle.core.types import Array


class Linear:
    """Logistic regression (L2, L-BFGS) for classes, ridge regression for numbers, on standardized columns."""

    tags: ClassVar[ModelTags] = ModelTags(
        tasks=frozenset({"classification", "regression"}),
        scaled=True,
        can=frozenset({"importance", "contributions", "weights"}),
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
        from sklearn.linear_model import LogisticRegression, Ridge

        matrix = train.matrix()
        self.classes = context.classes
        self.center: Array = matrix.mean(axis=0, dtype=np.float64) if len(matrix) else np.zeros(matrix.shape[1])
        if context.task == "classification":
            model = LogisticRegression(C=1.0 / self.penalty, max_iter=self.max_iter, random_state=context.seed)
            model.fit(matrix, train.target, sample_weight=train.weight)
            self.seen: Array = np.asarray(model.classes_, dtype=np.int64)
            weights, bias = model.coef_, model.intercept_
        else:
            model = Ridge(alpha=self.penalty, random_state=context.seed)
            model.fit(matrix.astype(np.float64), train.target, sample_weight=train.weight)
            self.seen = np.zeros(0, dtype=np.int64)
            weights, bias = np.atleast_2d(model.coef_), np.atleast_1d(model.intercept_)
        self.weights: Array = np.asarray(weights, dtype=np.float64)
        self.bias: Array = np.asarray(bias, dtype=np.float64)
        return self

    def predict(self, features: Features) -> pl.DataFrame:
        """Probabilities, or values."""
        import numpy as np
        import polars as pl

        scores = features.matrix().astype(np.float64) @ self.weights.T + self.bias
        if not self.classes:
            return pl.DataFrame({"prediction": scores[:, 0]})
        if scores.shape[1] == 1:
            scores = np.concatenate([np.zeros_like(scores), scores], axis=1)
        scores = np.exp(scores - scores.max(axis=1, keepdims=True, initial=-np.inf))
        scores /= scores.sum(axis=1, keepdims=True)
        full = np.zeros((len(scores), self.classes))
        full[:, self.seen] = scores
        return pl.DataFrame({f"probability_{code}": full[:, code] for code in range(self.classes)})

    def importance(self) -> Array:
        """Mean absolute weight of each (standardized) column."""
        import numpy as np

        return np.abs(self.weights).mean(axis=0)

    def contributions(self, features: Features) -> Array:
        """Exact SHAP values of a linear model with independent columns: weight x (value - mean); the base comes last."""
        import numpy as np

        centred = features.matrix().astype(np.float64) - self.center
        base = self.weights @ self.center + self.bias
        parts = centred[:, None, :] * self.weights[None, :, :]
        bases = np.broadcast_to(base[None, :, None], (len(centred), len(base), 1))
        found = np.concatenate([parts, bases], axis=2)
        return found[:, 0, :] if found.shape[1] == 1 else found

    def save(self, folder: Path) -> None:
        """Four arrays."""
        save_arrays(folder, {"weights": self.weights, "bias": self.bias, "seen": self.seen, "center": self.center})
        write_json(folder / "model.json", {"classes": self.classes})

    def load(self, folder: Path) -> Self:
        """Read and check them."""
        self.weights, self.bias, self.seen, self.center = load_arrays(folder, "weights", "bias", "seen", "center")
        self.classes = int(read_json(folder / "model.json")["classes"])
        good = self.weights.ndim == 2 and self.bias.shape == (len(self.weights),)
        good = good and self.center.shape == (self.weights.shape[1],) and self.seen.ndim == 1
        if not good or (len(self.seen) and not (0 <= self.seen.min() and self.seen.max() < self.classes)):
            raise TreadleError("the weights do not fit together", where=folder)
        return self


COMPONENT = Linear
