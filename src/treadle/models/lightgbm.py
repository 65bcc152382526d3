"""LightGBM: boosted trees, grown leaf by leaf on histograms (Ke et al. 2017)."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self

from treadle.core.errors import TreadleError
from treadle.core.files import write_json, write_text
from treadle.core.options import Doc, Range
from treadle.core.types import Context, Features, ModelTags
from treadle.models._boosting import (
    Watch,
    leaf_rows,
    matrix_of,
    probabilities,
    read_facts,
    read_text,
    rounds_for,
    values_frame,
)
from treadle.models._trees_check import MAX_DEPTH
from treadle.models._trees_check_lightgbm import clean

if TYPE_CHECKING:
    import polars as pl

    from treadle.core.types import Array

ROWS_FOR_THREADS = 1000


class LightGBM:
    """Boosted trees of LightGBM; numbers with gaps and categories are taken as they are.

    Early stopping watches the log loss (classification), the squared error or the pinball loss of the validation rows.
    """

    tags: ClassVar[ModelTags] = ModelTags(
        tasks=frozenset({"classification", "regression"}),
        accepts=frozenset({"number", "category"}),
        missing=True,
        can=frozenset({"importance", "contributions", "quantiles", "weights", "settled"}),
        requires=("lightgbm",),
        extra="boosting",
    )

    def __init__(
        self,
        *,
        learning_rate: Annotated[float, Range(1e-3, 1.0, log=True, tune=(0.02, 0.2)), Doc("shrinkage")] = 0.06,
        rounds: Annotated[
            int | None, Range(1, 100_000, tuned=False), Doc("trees (a class); none: early stopping decides")
        ] = None,
        num_leaves: Annotated[int, Range(2, 4096, log=True, tune=(8, 128)), Doc("leaves of a tree at most")] = 31,
        min_data_in_leaf: Annotated[int, Range(1, 100_000, log=True, tune=(5, 100)), Doc("rows in a leaf")] = 20,
        feature_fraction: Annotated[
            float, Range(0.05, 1.0, tune=(0.3, 1.0)), Doc("share of columns that a tree looks at")
        ] = 0.8,
        bagging_fraction: Annotated[
            float, Range(0.05, 1.0, tune=(0.5, 1.0)), Doc("share of rows that a tree learns from")
        ] = 1.0,
        lambda_l1: Annotated[float, Range(0.0, 1000.0, tune=(0.0, 10.0)), Doc("L1 penalty of the leaves")] = 0.0,
        lambda_l2: Annotated[float, Range(0.0, 1000.0, tune=(0.0, 10.0)), Doc("L2 penalty of the leaves")] = 1.0,
        cat_smooth: Annotated[
            float, Range(0.0, 1000.0, log=False, tune=(1.0, 100.0)), Doc("smoothing of rare categories")
        ] = 10.0,
        max_bin: Annotated[int, Range(2, 65_535, tuned=False), Doc("bins of a column")] = 255,
        patience: Annotated[int, Range(1, 10_000, tuned=False), Doc("rounds without gain before it stops")] = 40,
    ) -> None:
        self.learning_rate = learning_rate
        self.rounds = rounds
        self.num_leaves = num_leaves
        self.min_data_in_leaf = min_data_in_leaf
        self.feature_fraction = feature_fraction
        self.bagging_fraction = bagging_fraction
        self.lambda_l1 = lambda_l1
        self.lambda_l2 = lambda_l2
        self.cat_smooth = cat_smooth
        self.max_bin = max_bin
        self.patience = patience

    @classmethod
    def example(cls) -> LightGBM:
        """A quick one."""
        return cls(rounds=20)

    def fit(self, train: Features, valid: Features | None, context: Context) -> Self:
        """Boost; stop early by the validation rows, the budget, or on request."""
        started = time.perf_counter()
        self.classes = context.classes if context.task == "classification" else 0
        self.levels = context.quantiles if not self.classes else ()
        self.threads = context.threads
        matrix = matrix_of(train)
        self.width = int(matrix.shape[1])
        data = self._data(train, matrix, None)
        held = None if valid is None or not valid.rows else self._data(valid, matrix_of(valid, self.width), data)
        parts = 1 + len(self.levels)
        rounds = rounds_for(self.rounds, self.learning_rate, held is not None)
        texts = []
        for part, level in enumerate((None, *self.levels), start=1):
            watch = Watch(context, rounds, self.patience, started, part, parts)
            texts.append(self._boost((data, held), level, watch, context, len(matrix)))
            if part == 1:
                self.found = watch.best
        return self._take(texts, "the fitted model")

    def _data(self, features: Features, matrix: Array, reference: Any) -> Any:
        import lightgbm

        codes = [position for position, flag in enumerate(features.categorical) if flag]
        options = {"verbosity": -1, "max_bin": self.max_bin, "feature_pre_filter": False}
        return lightgbm.Dataset(
            matrix, features.target, weight=features.weight, reference=reference, params=options,
            categorical_feature=codes, free_raw_data=False,
        )  # fmt: skip

    def _boost(self, data: tuple[Any, Any], level: float | None, watch: Watch, context: Context, rows: int) -> str:
        import lightgbm
        from lightgbm.callback import EarlyStopException

        def after(env: Any) -> None:
            loss = env.evaluation_result_list[0][2] if env.evaluation_result_list else None
            if watch.ends(env.iteration + 1, loss):
                raise EarlyStopException(env.iteration, env.evaluation_result_list or [])

        train, valid = data
        booster = lightgbm.train(
            self._parameters(level, context, rows),
            train,
            num_boost_round=watch.rounds,
            valid_sets=None if valid is None else [valid],
            callbacks=[after],
        )
        return str(booster.model_to_string(num_iteration=watch.best or -1))

    def _parameters(self, level: float | None, context: Context, rows: int) -> dict[str, Any]:
        objective: dict[str, Any] = {"objective": "regression", "metric": "l2"}
        if level is not None:
            objective = {"objective": "quantile", "alpha": level, "metric": "quantile"}
        elif self.classes > 2:
            objective = {"objective": "multiclass", "num_class": self.classes, "metric": "multi_logloss"}
        elif self.classes:
            objective = {"objective": "binary", "metric": "binary_logloss"}
        return {
            **objective,
            "learning_rate": self.learning_rate,
            "num_leaves": self.num_leaves,
            "max_depth": MAX_DEPTH - 1,
            "min_data_in_leaf": leaf_rows(self.min_data_in_leaf, rows),
            "feature_fraction": self.feature_fraction,
            "bagging_fraction": self.bagging_fraction,
            "bagging_freq": 1 if self.bagging_fraction < 1 else 0,
            "lambda_l1": self.lambda_l1,
            "lambda_l2": self.lambda_l2,
            "cat_smooth": self.cat_smooth,
            "max_bin": self.max_bin,
            "feature_pre_filter": False,
            "num_threads": context.threads,
            "seed": context.seed % 2**31,
            "deterministic": True,
            "force_row_wise": True,
            "verbosity": -1,
        }

    def _take(self, texts: list[str], where: object) -> Self:
        """Hold the models in the form in which they are loaded, so that a saved one cannot answer differently."""
        import lightgbm

        self.texts, self.boosters = [], []
        for position, text in enumerate(texts):
            objective = "quantile" if position else "regression"
            if self.classes:
                objective = f"multiclass num_class:{self.classes}" if self.classes > 2 else "binary sigmoid:1"
            self.texts.append(clean(text, self.width, self.classes, objective, where))
            try:
                self.boosters.append(lightgbm.Booster(model_str=self.texts[-1]))
            except lightgbm.basic.LightGBMError as error:
                raise TreadleError(f"LightGBM does not take the model ({error})", where=where) from None
        return self

    def settled(self) -> dict[str, Any]:
        """The number of rounds that early stopping found."""
        return {"rounds": max(1, self.found)}

    def predict(self, features: Features) -> pl.DataFrame:
        """Probabilities, or values and their quantiles."""
        import numpy as np

        matrix = matrix_of(features, self.width)
        if not len(matrix):
            empty = np.zeros((0, self.classes))
            return probabilities(empty, self.classes) if self.classes else self._values([np.zeros(0)] * len(self.texts))
        threads = self.threads if len(matrix) >= ROWS_FOR_THREADS else 1
        found = [booster.predict(matrix, num_threads=threads) for booster in self.boosters]
        return probabilities(found[0], self.classes) if self.classes else self._values(found)

    def _values(self, found: list[Array]) -> pl.DataFrame:
        return values_frame(found[0], dict(zip(self.levels, found[1:], strict=True)))

    def importance(self) -> Array:
        """The gain of all splits on each column."""
        import numpy as np

        return np.asarray(self.boosters[0].feature_importance("gain"), dtype=np.float64)

    def contributions(self, features: Features) -> Array:
        """Exact SHAP values (TreeSHAP, Lundberg et al. 2020), in log-odds for classes; the base comes last."""
        import numpy as np

        matrix = matrix_of(features, self.width)
        every = self.classes if self.classes > 2 else 1
        if len(matrix):
            found = np.asarray(self.boosters[0].predict(matrix, pred_contrib=True, num_threads=self.threads))
        else:
            found = np.zeros((0, every * (self.width + 1)))
        found = found.reshape(len(matrix), every, self.width + 1)
        return found if every > 1 else found[:, 0, :]

    def save(self, folder: Path) -> None:
        """LightGBM's text form, one file for the mean or the classes and one for each quantile."""
        facts = {"classes": self.classes, "width": self.width, "rounds": self.found, "quantiles": self.levels}
        write_json(folder / "model.json", {**facts, "threads": self.threads})
        for position, text in enumerate(self.texts):
            write_text(folder / _file(position), text)

    def load(self, folder: Path) -> Self:
        """Read the texts, check every index in them, and hand LightGBM what is sound."""
        self.classes, self.width, self.levels, facts = read_facts(folder)
        self.found = facts["rounds"]
        self.threads = max(1, min(int(facts.get("threads", 1)), 64))
        return self._take([read_text(folder / _file(position)) for position in range(1 + len(self.levels))], folder)


def _file(position: int) -> str:
    return "model.txt" if not position else f"quantile_{position}.txt"


COMPONENT = LightGBM
