"""How a candidate is judged before the test rows are looked at: on the validation rows, or by cross-validation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from treadle.core import registry
from treadle.core.folds import fold_numbers
from treadle.core.labels import classes_of
from treadle.core.predictor import Predictor
from treadle.core.types import Context, Outcomes, Schema
from treadle.spec.spec import Spec

if TYPE_CHECKING:
    import polars as pl

    from treadle.core.types import Array

SMALL = 10_000
FOLDS = 5


@dataclass(frozen=True)
class Judged:
    """A candidate after its fits.

    Attributes:
        score: the deciding metric on rows that the fits did not see; NaN when nothing was held out.
        outcomes: of those rows; ``rows`` are their positions in the dataset.
        settled: options that early stopping fixed, for a refit on all rows.
        predictor: the last fit; the final one when ``whole`` says that it has learned from all rows already.
    """

    score: float
    outcomes: Outcomes | None
    rows: Array
    settled: Mapping[str, Any]
    predictor: Predictor
    whole: bool = False


class Judge:
    """Fits and scores candidates on the rows that are not for testing.

    With fewer than 10,000 rows (and no time column) the validation share alone says little: candidates are
    cross-validated on training and validation rows together.

    Args:
        spec: completed.
        schema: of the dataset.
        frame: all rows, with the columns ``part`` and, for k-fold, ``fold`` of the splits.
        context: for the fits.
    """

    def __init__(self, spec: Spec, schema: Schema, frame: pl.DataFrame, splits: pl.DataFrame, context: Context) -> None:
        import numpy as np

        self.spec, self.schema, self.frame = spec, schema, frame
        self.task = str(spec.task)
        self.metric = spec.evaluate.metrics[0]
        target = str(schema.target)
        self.classes = classes_of(frame[target], spec.data.positive) if self.task == "classification" else ()
        self.context = replace(context, task=self.task, classes=len(self.classes), metric=self.metric)
        part = splits["part"]
        self.train = part.eq("train").fill_null(False).arg_true().to_numpy()
        self.valid = part.eq("valid").fill_null(False).arg_true().to_numpy()
        self.rows = np.sort(np.concatenate([self.train, self.valid]))
        self.folds = self._folds(splits)

    def _folds(self, splits: pl.DataFrame) -> Array | None:
        """The fold of each of ``rows``, or None where the validation rows judge."""
        if "fold" in splits.columns:
            numbers: Array = splits["fold"].gather(self.rows).to_numpy()
            return numbers
        few = len(self.rows) < SMALL or not len(self.valid)
        if self.schema.time is not None or self.context.task not in ("classification", "regression") or not few:
            return None
        part = self.frame[self.rows]
        target = part[str(self.schema.target)]
        codes = target.rank("dense").to_numpy() if self.task == "classification" else target.to_numpy()
        count = min(FOLDS, len(self.rows))
        return fold_numbers(len(self.rows), count, target=codes, group=self.group(part), seed=self.spec.split.seed)

    def group(self, frame: pl.DataFrame) -> Array | None:
        """Codes of the rows that belong together."""
        if self.schema.group is None:
            return None
        return frame[self.schema.group].rank("dense").fill_null(0).to_numpy().astype("int64")

    def weight(self, frame: pl.DataFrame, predictor: Predictor) -> Array | None:
        """One weight a row: the column that the spec names, times what balances the classes."""
        import numpy as np
        import polars as pl

        found = None
        if self.spec.data.weight is not None:
            found = frame[self.spec.data.weight].cast(pl.Float64).fill_null(0.0).to_numpy()
        if self.spec.model.weights == "balanced" and predictor.classes:
            codes = predictor.truth(frame)
            counts = np.bincount(codes, minlength=len(predictor.classes))
            balance = len(codes) / (np.count_nonzero(counts) * counts[codes])
            found = balance if found is None else found * balance
        return found

    def predictor(self, name: str, options: Mapping[str, Any]) -> Predictor:
        """An unfitted predictor."""
        return Predictor(
            schema=self.schema, task=self.task, model_name=name, options=options, classes=self.classes,
            steps=self.spec.steps(),
        )  # fmt: skip

    def fit(self, name: str, options: Mapping[str, Any], learn: Array, held: Array | None) -> Predictor:
        """One fit on some rows, stopped early by others."""
        predictor = self.predictor(name, options)
        part = self.frame[learn]
        aligned = predictor.align(part, target=True)
        valid = predictor.align(self.frame[held], target=True) if held is not None and len(held) else None
        weight = self.weight(part, predictor)
        return predictor.fit(aligned, valid, self.context, weight, self.group(part))

    def judge(self, name: str, options: Mapping[str, Any], trial: Any = None) -> Judged:
        """Fit and score one candidate; an Optuna ``trial`` is told of each fold and may prune."""
        tags = registry.load("models", name).tags
        if "held_out" in tags.can:
            return self._by_itself(name, options)
        if self.folds is None:
            return self._on_valid(name, options, trial)
        return self._by_folds(name, options, trial)

    def _by_itself(self, name: str, options: Mapping[str, Any]) -> Judged:
        """A model that holds rows out by itself and learns from all of them in the end."""
        predictor = self.fit(name, options, self.train, self.valid)
        model: Any = predictor.model
        positions, output = model.held_out()
        rows = [*self.train, *self.valid]
        import numpy as np

        held = np.asarray(rows)[positions]
        truth = predictor.truth(self.frame[held])
        if self.classes:
            outcomes = Outcomes(self.task, truth, predictor.decide(output), output, self.classes)
        else:
            outcomes = Outcomes(self.task, truth, output[:, 0])
        return Judged(score_of(outcomes, self.metric), outcomes, held, {}, predictor, whole=True)

    def _on_valid(self, name: str, options: Mapping[str, Any], trial: Any) -> Judged:
        import optuna

        if trial is not None and len(self.train) > 5000:
            third = self.train[::3]
            small = self.fit(name, options, third, self.valid)
            self._tell(trial, self._outcomes(small, self.valid), 0)
            if trial.should_prune():
                raise optuna.TrialPruned
        predictor = self.fit(name, options, self.train, self.valid)
        if not len(self.valid):
            return Judged(float("nan"), None, self.valid, {}, predictor, whole=True)
        outcomes = self._outcomes(predictor, self.valid)
        return Judged(score_of(outcomes, self.metric), outcomes, self.valid, _settled([predictor]), predictor)

    def _by_folds(self, name: str, options: Mapping[str, Any], trial: Any) -> Judged:
        import numpy as np
        import optuna

        folds = self.folds
        if folds is None:
            raise RuntimeError("there are no folds")
        fitted, parts, rows = [], [], []
        for step, number in enumerate(np.unique(folds)):
            held = self.rows[folds == number]
            predictor = self.fit(name, options, self.rows[folds != number], held)
            fitted.append(predictor)
            parts.append(self._outcomes(predictor, held))
            rows.append(held)
            if trial is not None:
                self._tell(trial, joined(parts), step)
                if trial.should_prune():
                    raise optuna.TrialPruned
        outcomes = joined(parts)
        return Judged(score_of(outcomes, self.metric), outcomes, np.concatenate(rows), _settled(fitted), fitted[-1])

    def _tell(self, trial: Any, outcomes: Outcomes, step: int) -> None:
        trial.report(score_of(outcomes, self.metric), step)

    def _outcomes(self, predictor: Predictor, rows: Array) -> Outcomes:
        return predictor.predict_codes(predictor.align(self.frame[rows], target=True))


def joined(parts: Sequence[Outcomes]) -> Outcomes:
    """Outcomes of several folds, one after the other."""
    import numpy as np

    def glued(name: str) -> Any:
        found = [getattr(part, name) for part in parts]
        return None if any(item is None for item in found) else np.concatenate(found)

    first = parts[0]
    return replace(
        first, truth=glued("truth"), prediction=glued("prediction"), probability=glued("probability"),
        low=glued("low"), high=glued("high"), weight=glued("weight"),
    )  # fmt: skip


def _settled(predictors: Sequence[Predictor]) -> dict[str, Any]:
    """The median of what early stopping found in each fit."""
    import statistics

    if "settled" not in predictors[0].model.tags.can:
        return {}
    models: list[Any] = [predictor.model for predictor in predictors]
    found = [model.settled() for model in models]
    return {key: type(value)(statistics.median(item[key] for item in found)) for key, value in found[0].items()}


def score_of(outcomes: Outcomes, metric: str) -> float:
    """One metric of some outcomes."""
    instance = registry.load("metrics", metric)()
    instance.update(outcomes)
    return float(instance.value())


def better(one: float, other: float, metric: str) -> bool:
    """Whether ``one`` is the better value; NaN never is."""
    if one != one or other != other:
        return other != other and one == one
    return one > other if registry.load("metrics", metric).tags.greater_is_better else one < other
