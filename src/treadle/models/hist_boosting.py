"""Histogram gradient boosting of scikit-learn: fast, takes missing values and categories as they are."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self

from treadle.core.options import Doc, Range
from treadle.core.types import Context, Features, ModelTags
from treadle.models._sklearn import load_estimator, probability_frame, save_estimator

if TYPE_CHECKING:
    import polars as pl

MAX_CODES = 255
TRUSTED = (
    "functools.partial",
    "numpy.dtype",
    "sklearn._loss.link.IdentityLink",
    "sklearn._loss.link.Interval",
    "sklearn._loss.link.LogitLink",
    "sklearn._loss.link.MultinomialLogit",
    "sklearn._loss.loss.HalfBinomialLoss",
    "sklearn._loss.loss.HalfMultinomialLoss",
    "sklearn._loss.loss.HalfSquaredError",
    "sklearn._loss._loss.CyHalfBinomialLoss",
    "sklearn._loss._loss.CyHalfMultinomialLoss",
    "sklearn._loss._loss.CyHalfSquaredError",
    "sklearn.ensemble._hist_gradient_boosting.binning._BinMapper",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.ensemble._hist_gradient_boosting.gradient_boosting.HistGradientBoostingClassifier",
    "sklearn.ensemble._hist_gradient_boosting.gradient_boosting.HistGradientBoostingRegressor",
)


class HistBoosting:
    """Boosted trees on binned features (Ke et al. 2017, LightGBM; scikit-learn's implementation)."""

    tags: ClassVar[ModelTags] = ModelTags(
        tasks=frozenset({"classification", "regression"}),
        accepts=frozenset({"number", "category"}),
        missing=True,
        can=frozenset({"weights", "settled"}),
    )

    def __init__(
        self,
        *,
        learning_rate: Annotated[float, Range(1e-3, 1.0, log=True, tune=(0.02, 0.3)), Doc("shrinkage")] = 0.08,
        max_iter: Annotated[int, Range(1, 100_000, tuned=False), Doc("trees at most")] = 400,
        max_leaf_nodes: Annotated[int, Range(2, 10_000, log=True, tune=(8, 128)), Doc("leaves of a tree")] = 31,
        min_samples_leaf: Annotated[int, Range(1, 10_000, log=True, tune=(5, 100)), Doc("rows in a leaf")] = 20,
        l2: Annotated[float, Range(0.0, 1000.0, tune=(0.0, 10.0)), Doc("L2 penalty of the leaves")] = 0.0,
        max_features: Annotated[
            float, Range(0.05, 1.0, tune=(0.3, 1.0)), Doc("share of columns a split looks at")
        ] = 1.0,
        patience: Annotated[int, Range(1, 1000, tuned=False), Doc("rounds without gain before it stops")] = 20,
    ) -> None:
        self.learning_rate = learning_rate
        self.max_iter = max_iter
        self.max_leaf_nodes = max_leaf_nodes
        self.min_samples_leaf = min_samples_leaf
        self.l2 = l2
        self.max_features = max_features
        self.patience = patience

    def fit(self, train: Features, valid: Features | None, context: Context) -> Self:
        """Boost, stopping early by the validation rows where they are given."""
        from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

        self.classes = context.classes
        categorical = [flag and size <= MAX_CODES for flag, size in zip(train.categorical, train.sizes, strict=True)]
        options: dict[str, Any] = {
            "learning_rate": self.learning_rate,
            "max_iter": self.max_iter,
            "max_leaf_nodes": self.max_leaf_nodes,
            "min_samples_leaf": self.min_samples_leaf,
            "l2_regularization": self.l2,
            "max_features": self.max_features,
            "categorical_features": categorical if any(categorical) else None,
            "early_stopping": valid is not None,
            "n_iter_no_change": self.patience,
            "random_state": context.seed,
            "scoring": "loss",
        }
        kind = HistGradientBoostingClassifier if context.task == "classification" else HistGradientBoostingRegressor
        held: dict[str, Any] = {} if valid is None else {"X_val": valid.matrix(), "y_val": valid.target}
        self.estimator = kind(**options).fit(train.matrix(), train.target, sample_weight=train.weight, **held)
        self.rounds = int(self.estimator.n_iter_)
        return self

    def settled(self) -> dict[str, Any]:
        """The number of trees that early stopping found."""
        return {"max_iter": max(1, self.rounds - self.patience if self.rounds < self.max_iter else self.rounds)}

    def predict(self, features: Features) -> pl.DataFrame:
        """Probabilities, or values."""
        import polars as pl

        if features.rows == 0:
            names = [f"probability_{code}" for code in range(self.classes)] if self.classes else ["prediction"]
            return pl.DataFrame(schema=dict.fromkeys(names, pl.Float64))
        if self.classes:
            found = self.estimator.predict_proba(features.matrix())
            return probability_frame(found, [int(code) for code in self.estimator.classes_], self.classes)
        return pl.DataFrame({"prediction": self.estimator.predict(features.matrix())})

    def save(self, folder: Path) -> None:
        """One skops file."""
        from treadle.core.files import write_json

        save_estimator(self.estimator, folder / "model.skops")
        write_json(folder / "model.json", {"classes": self.classes, "rounds": self.rounds})

    def load(self, folder: Path) -> Self:
        """Read it back, trusting only the types of this model."""
        from treadle.core.jsonable import read_json

        facts = read_json(folder / "model.json")
        self.classes, self.rounds = int(facts["classes"]), int(facts["rounds"])
        self.estimator = load_estimator(folder / "model.skops", TRUSTED)
        return self


COMPONENT = HistBoosting
