"""CatBoost: boosted symmetric trees with ordered target statistics for categories (Prokhorenkova et al. 2018)."""

from __future__ import annotations

import io
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self

from treadle.core.errors import TreadleError
from treadle.core.files import new_file, write_json
from treadle.core.jsonable import read_json
from treadle.core.options import Doc, Range
from treadle.core.types import Context, Features, ModelTags
from treadle.models._boosting import Watch, probabilities, read_facts, rounds_for, values_frame
from treadle.models._trees_check_catboost import Shape, clean, constant

if TYPE_CHECKING:
    import polars as pl

    from treadle.core.types import Array

ROWS_FOR_THREADS = 1000
FEW_ROWS = 64


class CatBoost:
    """Boosted trees of CatBoost; it makes its own target statistics of the categories.

    Early stopping watches the log loss (classification), the squared error or the pinball loss of the validation rows.
    """

    tags: ClassVar[ModelTags] = ModelTags(
        tasks=frozenset({"classification", "regression"}),
        accepts=frozenset({"number", "category"}),
        missing=True,
        can=frozenset({"importance", "contributions", "quantiles", "weights", "settled"}),
        requires=("catboost",),
        extra="boosting",
    )

    def __init__(
        self,
        *,
        learning_rate: Annotated[float, Range(1e-3, 1.0, log=True, tune=(0.02, 0.2)), Doc("shrinkage")] = 0.08,
        rounds: Annotated[
            int | None, Range(1, 100_000, tuned=False), Doc("trees; none: early stopping decides")
        ] = None,
        depth: Annotated[int, Range(1, 16, tune=(4, 10)), Doc("depth of a tree")] = 6,
        l2_leaf_reg: Annotated[
            float, Range(0.0, 1000.0, log=False, tune=(1.0, 10.0)), Doc("L2 penalty of the leaves")
        ] = 3.0,
        random_strength: Annotated[
            float, Range(0.0, 100.0, tune=(0.0, 3.0)), Doc("noise in the score of a split")
        ] = 1.0,
        max_ctr_complexity: Annotated[
            int, Range(1, 8, tune=(1, 3)), Doc("categories combined in one target statistic")
        ] = 1,
        border_count: Annotated[int, Range(1, 65_535, tuned=False), Doc("bins of a column")] = 254,
        patience: Annotated[int, Range(1, 10_000, tuned=False), Doc("rounds without gain before it stops")] = 40,
    ) -> None:
        self.learning_rate = learning_rate
        self.rounds = rounds
        self.depth = depth
        self.l2_leaf_reg = l2_leaf_reg
        self.random_strength = random_strength
        self.max_ctr_complexity = max_ctr_complexity
        self.border_count = border_count
        self.patience = patience

    @classmethod
    def example(cls) -> CatBoost:
        """A quick one."""
        return cls(rounds=20, depth=4)

    def fit(self, train: Features, valid: Features | None, context: Context) -> Self:
        """Boost; stop early by the validation rows, the budget, or on request."""
        started = time.perf_counter()
        self.classes = context.classes if context.task == "classification" else 0
        self.levels = context.quantiles if not self.classes else ()
        self.threads = context.threads
        self.codes = train.categorical or (False,)
        validated = valid is not None and valid.rows > 0
        rounds = rounds_for(self.rounds, self.learning_rate, validated)
        parts = 2 if self.levels else 1
        train = _with_every_class(train, self.classes) if self.classes > 2 else train
        data = self._pool(train)
        held = self._pool(valid) if valid is not None and validated else None
        self.models = []
        for part in range(parts):
            watch = Watch(context, rounds, self.patience, started, part + 1, parts)
            model = self._boost(part, data, held, watch, context) if _learnable(train) else self._constant(part, train)
            self.models.append(clean(model, self._shape(part), "the fitted model", max(1, watch.best)))
            if not part:
                self.found = watch.best
        return self._take("the fitted model")

    def _shape(self, part: int) -> Shape:
        outputs = len(self.levels) if part else (self.classes if self.classes > 2 else 1)
        return Shape(self.codes, outputs, max(2, self.classes))

    def _pool(self, features: Features) -> Any:
        """CatBoost's own table: one column of floats or whole numbers for each column of the matrix."""
        import catboost
        import numpy as np
        import polars as pl

        codes = [position for position, flag in enumerate(self.codes) if flag]
        if 0 < features.rows <= FEW_ROWS and features.target is None:
            # Plain values, row by row: a tenth of the time that a table of a few rows takes.
            parts = [block.values.tolist() for block in features.blocks.values()]
            rows = [[value for row in pieces for value in row] or [0.0] for pieces in zip(*parts, strict=True)]
            self._fits(len(rows[0]) if rows else 1)
            return catboost.Pool(rows or [[0.0]] * features.rows, cat_features=codes, thread_count=1)
        columns = [
            pl.Series(f"f{position}", np.ascontiguousarray(values))
            for position, values in enumerate(
                column for block in features.blocks.values() for column in block.values.T
            )
        ] or [pl.Series("f0", np.zeros(features.rows, dtype=np.float32))]  # fmt: skip
        self._fits(len(columns))
        return catboost.Pool(
            pl.DataFrame(columns), features.target, cat_features=codes, weight=features.weight,
            thread_count=self._threads(features.rows),
        )  # fmt: skip

    def _fits(self, width: int) -> None:
        if width != len(self.codes):
            raise TreadleError(f"the model learned from {len(self.codes)} columns and got {width}")

    def _boost(self, part: int, data: Any, held: Any, watch: Watch, context: Context) -> Any:
        import catboost

        class Ends:
            def after_iteration(self, info: Any) -> bool:
                losses = info.metrics.get("validation")
                return not watch.ends(info.iteration, next(iter(losses.values()))[-1] if losses else None)

        model = catboost.CatBoost(self._parameters(part, watch.rounds, context))
        try:
            model.fit(data, eval_set=held, callbacks=[Ends()])
        except catboost.CatBoostError as error:
            raise TreadleError(f"CatBoost cannot learn from this ({error})") from None
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.json"
            model.save_model(str(path), format="json")
            return read_json(path)

    def _constant(self, part: int, train: Features) -> Any:
        import numpy as np

        target = np.asarray(train.target)
        weight = np.ones(len(target)) if train.weight is None else train.weight
        if part:
            bias = np.quantile(target, self.levels)
        elif self.classes:
            share = np.bincount(target, weights=weight, minlength=self.classes) / weight.sum()
            share = np.log(np.clip(share, 1e-6, 1.0))
            bias = share if self.classes > 2 else share[1:2] - share[:1]
        else:
            bias = np.array([np.average(target, weights=weight)])
        return constant(self._shape(part), [float(value) for value in bias], len(target))

    def _parameters(self, part: int, rounds: int, context: Context) -> dict[str, Any]:
        loss = "RMSE"
        if part:
            listed = ",".join(map(str, self.levels))
            loss = f"MultiQuantile:alpha={listed}" if len(self.levels) > 1 else f"Quantile:alpha={listed}"
        elif self.classes:
            loss = "MultiClass" if self.classes > 2 else "Logloss"
        return {
            "loss_function": loss,
            **({"classes_count": self.classes} if self.classes > 2 else {}),
            "iterations": rounds,
            "learning_rate": self.learning_rate,
            "depth": self.depth,
            "l2_leaf_reg": self.l2_leaf_reg,
            "random_strength": self.random_strength,
            "max_ctr_complexity": self.max_ctr_complexity,
            "border_count": self.border_count,
            "use_best_model": False,
            "random_seed": context.seed % 2**31,
            "thread_count": context.threads,
            "logging_level": "Silent",
            "allow_writing_files": False,
        }

    def _take(self, where: object) -> Self:
        """Hold the models in the form in which they are loaded, so that a saved one cannot answer differently."""
        import catboost

        self.boosters = []
        for model in self.models:
            booster = catboost.CatBoost()
            try:
                with tempfile.TemporaryDirectory() as folder:
                    path = Path(folder) / "model.json"
                    path.write_bytes(model)
                    booster.load_model(str(path), format="json")
            except catboost.CatBoostError as error:
                raise TreadleError(f"CatBoost does not take the model ({error})", where=where) from None
            self.boosters.append(booster)
        return self

    def _threads(self, rows: int) -> int:
        return self.threads if rows >= ROWS_FOR_THREADS else 1

    def settled(self) -> dict[str, Any]:
        """The number of rounds that early stopping found."""
        return {"rounds": max(1, self.found)}

    def predict(self, features: Features) -> pl.DataFrame:
        """Probabilities, or values and their quantiles."""
        import numpy as np

        shapes = [self._shape(part).outputs for part in range(len(self.boosters))]
        if features.rows:
            threads = self._threads(features.rows)
            pool = features.once(("catboost", self.codes, threads), lambda: self._pool(replace(features, target=None)))
            raw = [
                np.asarray(booster.predict(pool, prediction_type="RawFormulaVal", thread_count=threads))
                for booster in self.boosters
            ]
        else:
            raw = [np.zeros((0, outputs)) for outputs in shapes]
        raw = [values.reshape(features.rows, outputs) for values, outputs in zip(raw, shapes, strict=True)]
        if not self.classes:
            return values_frame(raw[0][:, 0], {level: raw[1][:, at] for at, level in enumerate(self.levels)})
        scores = raw[0] if self.classes > 2 else np.concatenate([np.zeros_like(raw[0]), raw[0]], axis=1)
        scores = np.exp(scores - scores.max(axis=1, keepdims=True))
        return probabilities(scores / scores.sum(axis=1, keepdims=True), self.classes)

    def importance(self) -> Array:
        """How much the prediction changes on average with each column (CatBoost's PredictionValuesChange)."""
        import numpy as np

        return np.asarray(self.boosters[0].get_feature_importance(), dtype=np.float64)

    def contributions(self, features: Features) -> Array:
        """Exact SHAP values (TreeSHAP, Lundberg et al. 2020), in log-odds for classes; the base comes last."""
        import numpy as np

        if not features.rows:
            shape = (0, self.classes, len(self.codes) + 1) if self.classes > 2 else (0, len(self.codes) + 1)
            return np.zeros(shape)
        pool = self._pool(features)
        told = io.StringIO()
        found = self.boosters[0].get_feature_importance(
            pool, type="ShapValues", thread_count=self._threads(features.rows), log_cout=told, log_cerr=told
        )
        return np.asarray(found, dtype=np.float64)

    def save(self, folder: Path) -> None:
        """CatBoost's JSON form, one file for the mean or the classes and one for all quantiles."""
        facts = {"classes": self.classes, "width": len(self.codes), "rounds": self.found, "quantiles": self.levels}
        write_json(folder / "model.json", {**facts, "threads": self.threads, "codes": list(self.codes)})
        for part, model in enumerate(self.models):
            with new_file(folder / _file(part)) as temporary:
                temporary.write_bytes(model)

    def load(self, folder: Path) -> Self:
        """Read the trees, check every index in them, and hand CatBoost what is sound."""
        self.classes, width, self.levels, facts = read_facts(folder)
        self.found = facts["rounds"]
        self.threads = max(1, min(int(facts.get("threads", 1)), 64))
        self.codes = tuple(map(bool, facts.get("codes", ())))
        if len(self.codes) != width:
            raise TreadleError("the kinds of columns do not fit the model's width", where=folder)
        paths = [folder / _file(part) for part in range(2 if self.levels else 1)]
        self.models = [clean(read_json(path), self._shape(part), path) for part, path in enumerate(paths)]
        return self._take(folder)


def _with_every_class(train: Features, classes: int) -> Features:
    """The rows, and for each class that has none a copy of the first row with hardly any weight.

    CatBoost numbers the classes that it sees, so one that is absent would shift the others.
    """
    import numpy as np

    target = np.asarray(train.target)
    absent = np.setdiff1d(np.arange(classes), target)
    if not len(absent) or not len(target):
        return train
    rows = np.concatenate([np.arange(len(target)), np.zeros(len(absent), dtype=np.int64)])
    weight = np.ones(len(target)) if train.weight is None else np.asarray(train.weight)
    return replace(
        train,
        blocks={name: replace(block, values=block.values[rows]) for name, block in train.blocks.items()},
        frame=train.frame[rows],
        target=np.concatenate([target, absent]),
        weight=np.concatenate([weight, np.full(len(absent), 1e-6)]),
    )


def _learnable(train: Features) -> bool:
    """Whether the target varies and at least one column does; CatBoost refuses to fit otherwise."""
    import numpy as np

    target = np.asarray(train.target)
    if not len(target) or (target == target[0]).all():
        return False
    for block in train.blocks.values():
        values = block.values
        same = (values == values[:1]) | ((values != values) & (values[:1] != values[:1]))
        if not same.all():
            return True
    return False


def _file(part: int) -> str:
    return "quantiles.json" if part else "trees.json"


COMPONENT = CatBoost
