"""XGBoost: boosted trees with a second-order loss (Chen and Guestrin 2016)."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self

from treadle.core.errors import TreadleError
from treadle.core.files import new_file, write_json
from treadle.core.jsonable import read_json
from treadle.core.options import Doc, Range
from treadle.core.types import Context, Features, ModelTags
from treadle.models._boosting import Watch, matrix_of, probabilities, read_facts, rounds_for, values_frame
from treadle.models._trees_check_xgboost import clean

if TYPE_CHECKING:
    import polars as pl

    from treadle.core.types import Array

ROWS_FOR_THREADS = 1000

ROWS_FOR_THREADS = 1000


class XGBoost:
    """Boosted trees of XGBoost on histograms; numbers with gaps and categories are taken as they are.

    Early stopping watches the log loss (classification), the squared error or the pinball loss of the validation rows.
    """

    tags: ClassVar[ModelTags] = ModelTags(
        tasks=frozenset({"classification", "regression"}),
        accepts=frozenset({"number", "category"}),
        missing=True,
        can=frozenset({"importance", "contributions", "quantiles", "weights", "settled"}),
        requires=("xgboost",),
        extra="boosting",
    )

    def __init__(
        self,
        *,
        learning_rate: Annotated[float, Range(1e-3, 1.0, log=True, tune=(0.02, 0.2)), Doc("shrinkage")] = 0.08,
        rounds: Annotated[
            int | None, Range(1, 100_000, tuned=False), Doc("trees (a class); none: early stopping decides")
        ] = None,
        max_depth: Annotated[int, Range(1, 16, tune=(3, 10)), Doc("depth of a tree at most")] = 6,
        min_child_weight: Annotated[
            float, Range(0.0, 1e6, log=False, tune=(1.0, 20.0)), Doc("sum of second derivatives in a leaf at least")
        ] = 2.0,
        subsample: Annotated[
            float, Range(0.05, 1.0, tune=(0.5, 1.0)), Doc("share of rows that a tree learns from")
        ] = 0.9,
        colsample_bytree: Annotated[
            float, Range(0.05, 1.0, tune=(0.3, 1.0)), Doc("share of columns that a tree looks at")
        ] = 0.8,
        reg_alpha: Annotated[float, Range(0.0, 1000.0, tune=(0.0, 10.0)), Doc("L1 penalty of the leaves")] = 0.0,
        reg_lambda: Annotated[float, Range(0.0, 1000.0, tune=(0.0, 10.0)), Doc("L2 penalty of the leaves")] = 1.0,
        max_bin: Annotated[int, Range(2, 65_535, tuned=False), Doc("bins of a column")] = 256,
        patience: Annotated[int, Range(1, 10_000, tuned=False), Doc("rounds without gain before it stops")] = 40,
    ) -> None:
        self.learning_rate = learning_rate
        self.rounds = rounds
        self.max_depth = max_depth
        self.min_child_weight = min_child_weight
        self.subsample = subsample
        self.colsample_bytree = colsample_bytree
        self.reg_alpha = reg_alpha
        self.reg_lambda = reg_lambda
        self.max_bin = max_bin
        self.patience = patience

    @classmethod
    def example(cls) -> XGBoost:
        """A quick one."""
        return cls(rounds=20)

    def fit(self, train: Features, valid: Features | None, context: Context) -> Self:
        """Boost; stop early by the validation rows, the budget, or on request."""
        started = time.perf_counter()
        self.classes = context.classes if context.task == "classification" else 0
        self.levels = context.quantiles if not self.classes else ()
        self.threads = context.threads
        self.width = max(1, len(train.names))
        self.codes = train.categorical or (False,)
        data = self._data(train, context, None)
        held = None if valid is None or not valid.rows else self._data(valid, context, data)
        rounds = rounds_for(self.rounds, self.learning_rate, held is not None)
        parts = 2 if self.levels else 1
        self.models = []
        for part in range(parts):
            watch = Watch(context, rounds, self.patience, started, part + 1, parts)
            booster = self._boost(self._parameters(part, context, train.target), data, held, watch)
            model = json.loads(bytes(booster.save_raw("json")))
            self.models.append(self._clean(model, part, "the fitted model", max(1, watch.best)))
            if not part:
                self.found = watch.best
        return self._take("the fitted model")

    def _data(self, features: Features, context: Context, reference: Any) -> Any:
        import xgboost

        kinds = ["c" if flag else "float" for flag in self.codes]
        return xgboost.QuantileDMatrix(
            matrix_of(features, self.width), features.target, weight=features.weight, feature_types=kinds,
            enable_categorical=True, max_bin=self.max_bin, ref=reference, nthread=context.threads,
        )  # fmt: skip

    def _boost(self, parameters: dict[str, Any], data: Any, held: Any, watch: Watch) -> Any:
        import xgboost

        class Ends(xgboost.callback.TrainingCallback):  # type: ignore[misc]
            def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
                losses = next(iter(evals_log["valid"].values())) if evals_log else None
                return watch.ends(epoch + 1, losses[-1] if losses else None)

        return xgboost.train(
            parameters,
            data,
            num_boost_round=watch.rounds,
            evals=[] if held is None else [(held, "valid")],
            verbose_eval=False,
            callbacks=[Ends()],
        )

    def _parameters(self, part: int, context: Context, target: Any) -> dict[str, Any]:
        objective: dict[str, Any] = {"objective": "reg:squarederror", "eval_metric": "rmse"}
        if part:
            objective = {"objective": "reg:quantileerror", "quantile_alpha": list(self.levels)}
        elif self.classes > 2:
            objective = {"objective": "multi:softprob", "num_class": self.classes, "eval_metric": "mlogloss"}
        elif self.classes:
            objective = {"objective": "binary:logistic", "eval_metric": "logloss"}
            if target.min() == target.max():  # XGBoost would start from a probability of 0 or 1
                objective["base_score"] = 1e-6 if target.max() == 0 else 1 - 1e-6
        return {
            **objective,
            "tree_method": "hist",
            "learning_rate": self.learning_rate,
            "max_depth": self.max_depth,
            "min_child_weight": self.min_child_weight,
            "subsample": self.subsample,
            "colsample_bytree": self.colsample_bytree,
            "reg_alpha": self.reg_alpha,
            "reg_lambda": self.reg_lambda,
            "max_bin": self.max_bin,
            "nthread": context.threads,
            "seed": context.seed % 2**31,
            "verbosity": 0,
        }

    def _clean(self, model: Any, part: int, where: object, keep: int | None = None) -> bytearray:
        groups, objective = 1, {"name": "reg:squarederror", "reg_loss_param": {"scale_pos_weight": "1"}}
        if part:
            groups = len(self.levels)
            levels = "[" + ",".join(f"{level:.9E}" for level in self.levels) + "]"
            objective = {"name": "reg:quantileerror", "quantile_loss_param": {"quantile_alpha": levels}}
        elif self.classes > 2:
            groups = self.classes
            objective = {"name": "multi:softprob", "softmax_multiclass_param": {"num_class": str(groups)}}
        elif self.classes:
            objective = {**objective, "name": "binary:logistic"}
        return clean(model, self.width, self.codes, groups, objective, where, keep)

    def _take(self, where: object) -> Self:
        """Hold the models in the form in which they are loaded, so that a saved one cannot answer differently."""
        import xgboost

        self.boosters = []
        self.using = self.threads
        for model in self.models:
            booster = xgboost.Booster({"nthread": self.threads, "verbosity": 0})
            try:
                booster.load_model(model)
            except xgboost.core.XGBoostError as error:
                first = str(error).strip().splitlines()[0]
                raise TreadleError(f"XGBoost does not take the model ({first})", where=where) from None
            self.boosters.append(booster)
        return self

    def _use(self, threads: int) -> None:
        """Set the threads of the next predictions; to wake a second one for a few rows takes longer than the rows."""
        if threads != self.using:
            for booster in self.boosters:
                booster.set_param({"nthread": threads})
            self.using = threads

    def settled(self) -> dict[str, Any]:
        """The number of rounds that early stopping found."""
        return {"rounds": max(1, self.found)}

    def predict(self, features: Features) -> pl.DataFrame:
        """Probabilities, or values and their quantiles."""
        import numpy as np

        matrix = matrix_of(features, self.width)
        if len(matrix):
            self._use(self.threads if len(matrix) >= ROWS_FOR_THREADS else 1)
            found = [np.asarray(booster.inplace_predict(matrix)) for booster in self.boosters]
        else:
            found = [np.zeros((0, self.classes) if self.classes else 0), np.zeros((0, len(self.levels)))]
        if self.classes:
            return probabilities(found[0].astype(np.float64), self.classes)
        bands = found[1].reshape(len(matrix), len(self.levels)) if self.levels else np.zeros((len(matrix), 0))
        return values_frame(found[0], {level: bands[:, at] for at, level in enumerate(self.levels)})

    def importance(self) -> Array:
        """The gain of all splits on each column."""
        import numpy as np

        gains = self.boosters[0].get_score(importance_type="total_gain")
        return np.array([gains.get(f"f{position}", 0.0) for position in range(self.width)], dtype=np.float64)

    def contributions(self, features: Features) -> Array:
        """Exact SHAP values (TreeSHAP, Lundberg et al. 2020), in log-odds for classes; the base comes last."""
        import numpy as np
        import xgboost

        matrix = matrix_of(features, self.width)
        if not len(matrix):
            shape = (0, self.classes, self.width + 1) if self.classes > 2 else (0, self.width + 1)
            return np.zeros(shape)
        kinds = ["c" if flag else "float" for flag in self.codes]
        data = xgboost.DMatrix(matrix, feature_types=kinds, enable_categorical=True, nthread=self.threads)
        return np.asarray(self.boosters[0].predict(data, pred_contribs=True), dtype=np.float64)

    def save(self, folder: Path) -> None:
        """XGBoost's JSON form, one file for the mean or the classes and one for all quantiles."""
        facts = {"classes": self.classes, "width": self.width, "rounds": self.found, "quantiles": self.levels}
        write_json(folder / "model.json", {**facts, "threads": self.threads, "codes": list(self.codes)})
        for part, model in enumerate(self.models):
            with new_file(folder / _file(part)) as temporary:
                temporary.write_bytes(model)

    def load(self, folder: Path) -> Self:
        """Read the trees, check every index in them, and hand XGBoost what is sound."""
        self.classes, self.width, self.levels, facts = read_facts(folder)
        self.found = facts["rounds"]
        self.threads = max(1, min(int(facts.get("threads", 1)), 64))
        self.codes = tuple(map(bool, facts.get("codes", ())))
        if len(self.codes) != self.width:
            raise TreadleError("the kinds of columns do not fit the model's width", where=folder)
        parts = 2 if self.levels else 1
        self.models = [
            self._clean(read_json(folder / _file(part)), part, folder / _file(part)) for part in range(parts)
        ]
        return self._take(folder)


def _file(part: int) -> str:
    return "quantiles.json" if part else "trees.json"


COMPONENT = XGBoost
