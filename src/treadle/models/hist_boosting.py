"""Histogram gradient boosting of scikit-learn: fast, takes missing values and categories as they are."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self

from treadle.core.arrays import load_arrays, save_arrays
from treadle.core.errors import TreadleError
from treadle.core.files import write_json
from treadle.core.options import Doc, Range
from treadle.core.types import Context, Features, ModelTags
from treadle.models._intervals import held_out, residual_quantiles
from treadle.models._sklearn import (
    checked_seen,
    finite,
    probability_frame,
    read_facts,
    sigmoid,
    softmax,
    two_columns,
    value_frame,
)
from treadle.models._trees import WORDS, Trees, from_boosting

if TYPE_CHECKING:
    import polars as pl

    from treadle.core.types import Array

MAX_CODES = WORDS * 32 - 1
HELD_OUT = 0.15


class _Stopped(Exception):
    """Raised inside a fit that was asked to end; the trees grown so far are kept."""


# Below this many rows threads wait for each other longer than they work.
ROWS_FOR_THREADS = 10_000
GAIN = 1e-4


class HistBoosting:
    """Boosted trees on binned features (Ke et al. 2017, LightGBM; scikit-learn's implementation).

    Categories are split by subsets; of a column with more than 255 the rarest share one code. With ``quantiles``
    (regression) one more model is grown for each level, on the pinball loss, and calibrated on rows it did not see
    (Romano et al. 2019): the validation rows, or a part of the training rows. What is stored are the trees alone, cut
    at the best round, and they are checked when read.
    """

    tags: ClassVar[ModelTags] = ModelTags(
        tasks=frozenset({"classification", "regression"}),
        accepts=frozenset({"number", "category"}),
        missing=True,
        can=frozenset({"importance", "quantiles", "settled", "weights"}),
    )

    def __init__(
        self,
        *,
        learning_rate: Annotated[float, Range(1e-3, 1.0, log=True, tune=(0.02, 0.3)), Doc("shrinkage")] = 0.08,
        max_iter: Annotated[int, Range(1, 100_000, tuned=False), Doc("rounds at most")] = 1000,
        max_leaf_nodes: Annotated[int, Range(2, 10_000, log=True, tune=(8, 128)), Doc("leaves of a tree")] = 31,
        min_samples_leaf: Annotated[int, Range(1, 10_000, log=True, tune=(5, 100)), Doc("rows in a leaf")] = 20,
        l2: Annotated[float, Range(0.0, 1000.0, tune=(0.0, 10.0)), Doc("L2 penalty of the leaves")] = 1.0,
        max_features: Annotated[
            float, Range(0.05, 1.0, tune=(0.3, 1.0)), Doc("share of columns a split looks at")
        ] = 1.0,
        patience: Annotated[int, Range(1, 1000, tuned=False), Doc("rounds without gain before it stops")] = 30,
    ) -> None:
        self.learning_rate = learning_rate
        self.max_iter = max_iter
        self.max_leaf_nodes = max_leaf_nodes
        self.min_samples_leaf = min_samples_leaf
        self.l2 = l2
        self.max_features = max_features
        self.patience = patience

    @classmethod
    def example(cls) -> HistBoosting:
        """A small one."""
        return cls(max_iter=20)

    def fit(self, train: Features, valid: Features | None, context: Context) -> Self:
        """Boost, stopping early by the validation rows where they are given."""
        import numpy as np

        self.classes = context.classes
        self.columns = len(train.names)
        self.kept = np.minimum(np.array(train.sizes, dtype=np.int64), MAX_CODES)
        self.levels = [] if self.classes else [float(level) for level in sorted(context.quantiles)]
        self.gains = np.zeros(self.columns)
        self.seen = np.unique(np.asarray(train.target)).tolist() if self.classes else []
        self.trees: list[Trees] = []
        self.base: list[Array] = []
        self.rounds = 0
        if self.classes and len(self.seen) < 2:
            return self
        ends = None if context.budget is None else time.monotonic() + context.budget
        trees, base, self.gains = self._boost(train, valid, context, None, ends)
        self.trees, self.base, self.rounds = [trees], [base], trees.count // len(base)
        if self.levels:
            part, held = (train, valid) if valid is not None else held_out(train, HELD_OUT, context.seed)
            for level in self.levels:
                self._add_quantile(part, held, context, level, ends)
        return self

    def _add_quantile(
        self, train: Features, held: Features, context: Context, level: float, ends: float | None
    ) -> None:
        """One more model, moved so that the right share of the held-out rows lies below it."""
        import numpy as np

        trees, base, _ = self._boost(train, held if held.rows else None, context, level, ends)
        residuals = np.asarray(held.target) - (trees.total(self._matrix(held), 1) + base)[:, 0]
        self.trees.append(trees)
        self.base.append(base + residual_quantiles(residuals, [level])[0])

    def _boost(
        self, train: Features, valid: Features | None, context: Context, level: float | None, ends: float | None
    ) -> tuple[Trees, Array, Array]:
        """One model: of the task itself, or of one quantile."""
        import numpy as np
        from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
        from threadpoolctl import threadpool_limits

        options: dict[str, Any] = {
            "learning_rate": self.learning_rate,
            "max_iter": self.max_iter,
            "max_leaf_nodes": self.max_leaf_nodes,
            "min_samples_leaf": self.min_samples_leaf,
            "l2_regularization": self.l2,
            "max_features": self.max_features,
            "categorical_features": self.kept > 0 if (self.kept > 0).any() else None,
            "early_stopping": False,
            "random_state": context.seed,
        }
        if level is not None:
            options |= {"loss": "quantile", "quantile": level}
        held: dict[str, Any] = {}
        if valid is not None and valid.target is not None:
            known = np.isin(valid.target, self.seen) if self.classes else np.ones(valid.rows, dtype=bool)
            if known.any():
                held = {"X_val": self._matrix(valid)[known], "y_val": valid.target[known]}
                # A gain below this, relative to what there is to explain, is not worth a round.
                tolerance = GAIN * (1.0 if self.classes else float(np.var(np.asarray(train.target))) or 1.0)
                options |= {
                    "early_stopping": True, "n_iter_no_change": self.patience, "scoring": "loss", "tol": tolerance,
                }  # fmt: skip
        estimator = (HistGradientBoostingClassifier if self.classes else HistGradientBoostingRegressor)(**options)
        _watch(estimator, context, self.max_iter, ends)
        try:
            with threadpool_limits(context.threads if train.rows >= ROWS_FOR_THREADS else 1):
                estimator.fit(self._matrix(train), train.target, sample_weight=train.weight, **held)
        except _Stopped:
            context.events.message("hist_boosting was asked to stop and keeps the trees grown so far")
        complete = [item for item in estimator._predictors if len(item) == estimator.n_trees_per_iteration_]
        scores = list(estimator.validation_score_)[: len(complete) + 1]
        best = max(1, int(np.argmax(scores))) if held else len(complete)
        trees, gains = from_boosting(estimator, complete[:best], self.columns)
        return trees, np.asarray(estimator._baseline_prediction, dtype=np.float64).reshape(-1), gains

    def settled(self) -> dict[str, Any]:
        """The number of rounds that early stopping found."""
        return {"max_iter": max(1, self.rounds)}

    def predict(self, features: Features) -> pl.DataFrame:
        """Probabilities, or values with their quantiles."""
        import numpy as np

        if self.classes and len(self.seen) < 2:
            return probability_frame(np.ones((features.rows, len(self.seen))), self.seen, self.classes)
        matrix = self._matrix(features)
        raw = [trees.total(matrix, len(base)) + base for trees, base in zip(self.trees, self.base, strict=True)]
        if not self.classes:
            quantiles = {level: raw[place][:, 0] for place, level in enumerate(self.levels, 1)}
            return value_frame(raw[0][:, 0], quantiles)
        probability = two_columns(sigmoid(raw[0])) if raw[0].shape[1] == 1 else softmax(raw[0])
        return probability_frame(probability, self.seen, self.classes)

    def importance(self) -> Array:
        """Share of the loss that each column's splits took away, in training."""
        return self.gains / self.gains.sum() if self.gains.sum() > 0 else self.gains

    def _matrix(self, features: Features) -> Array:
        """float64, with the rarest codes of a wide category put together (codes go by how frequent they are)."""
        import numpy as np

        matrix = features.matrix().astype(np.float64)
        for column in np.flatnonzero(self.kept == MAX_CODES):
            matrix[:, column] = np.minimum(matrix[:, column], MAX_CODES - 1)
        return matrix

    def save(self, folder: Path) -> None:
        """Arrays of the trees, and JSON."""
        import numpy as np

        facts = {
            "classes": self.classes,
            "columns": self.columns,
            "rounds": self.rounds,
            "levels": self.levels,
            "models": len(self.trees),
        }
        write_json(folder / "model.json", facts)
        save_arrays(folder, {"kept": self.kept, "gains": self.gains, "seen": np.array(self.seen, dtype=np.int64)})
        for place, (trees, base) in enumerate(zip(self.trees, self.base, strict=True)):
            trees.save(folder, f"trees_{place}")
            save_arrays(folder, {f"base_{place}": base})

    def load(self, folder: Path) -> Self:
        """Read it back; trees that could lead a walk astray are refused."""
        import numpy as np

        facts = read_facts(folder / "model.json", classes=int, columns=int, rounds=int, levels=list, models=int)
        self.classes, self.columns, self.rounds = facts["classes"], facts["columns"], facts["rounds"]
        self.levels = [float(level) for level in facts["levels"]]
        self.kept, self.gains, seen = load_arrays(folder, "kept", "gains", "seen")
        finite(folder, gains=(self.gains, (self.columns,)))
        self.seen = checked_seen(seen, self.classes, folder)
        expected = 0 if self.classes and len(self.seen) < 2 else 1 + len(self.levels)
        if self.kept.shape != (self.columns,) or self.kept.dtype != np.int64 or facts["models"] != expected:
            raise TreadleError("the parts of the model do not fit together", where=folder)
        self.trees = [Trees.load(folder, self.columns, f"trees_{place}") for place in range(expected)]
        self.base = load_arrays(folder, *(f"base_{place}" for place in range(expected)))
        outputs = len(self.seen) if len(self.seen) > 2 else 1
        for trees, base in zip(self.trees, self.base, strict=True):
            finite(folder, base=(base, (outputs,)), values=(trees.values, (None, 1)))
        return self


def _watch(estimator: Any, context: Context, rounds: int, ends: float | None) -> None:
    """Tell the progress each round, and end the fit when somebody asks or the time is over.

    scikit-learn has no callback here; its loss object is asked for gradients once a round, so that is where we listen.
    """
    get_loss = estimator._get_loss

    def watched(sample_weight: Any) -> Any:
        loss = get_loss(sample_weight=sample_weight)
        for name in ("gradient", "gradient_hessian"):
            setattr(loss, name, _listening(getattr(loss, name), estimator, context, rounds, ends))
        return loss

    estimator._get_loss = watched


def _listening(function: Any, estimator: Any, context: Context, rounds: int, ends: float | None) -> Any:
    def listen(**arguments: Any) -> Any:
        done = len(estimator._predictors)
        if done and (context.events.stopping or (ends is not None and time.monotonic() > ends)):
            raise _Stopped
        if done % 25 == 0:
            context.events.progress("hist_boosting", done, rounds)
        return function(**arguments)

    return listen


COMPONENT = HistBoosting
