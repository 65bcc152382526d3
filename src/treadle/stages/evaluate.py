"""Judge the model on rows it never saw: the test rows, or for k-fold each row by a model that lacks its fold."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from treadle.core import registry
from treadle.core.errors import TreadleError
from treadle.core.labels import anomaly_codes, label_text
from treadle.core.predictor import Predictor
from treadle.core.tasks import task_named
from treadle.core.types import Context, Metered, Outcomes, Schema
from treadle.spec.base import seconds
from treadle.spec.evaluate import Cost
from treadle.spec.gates import gate_metrics
from treadle.spec.spec import Spec
from treadle.stages.bootstrap import metered
from treadle.stages.curves import curves_of
from treadle.stages.fairness import fairness_of
from treadle.stages.judge import Judge, joined, score_of
from treadle.stages.slices import given_slices, worst_slices
from treadle.stages.values import Evaluation, Job, Slice, Trained

if TYPE_CHECKING:
    import polars as pl

    from treadle.core.types import Array

INPUTS = ("ingest", "split", "train")
VALUE = Evaluation
FRACTIONS = (0.1, 0.25, 0.5, 0.75, 1.0)
CONFUSED = 50
UNSEARCHED = frozenset({"text", "image", "audio", "id"})


def settings(spec: Spec) -> Any:
    """The part of the spec that this stage depends on; a gate counts only by the metric it asks for."""
    return {
        **spec.evaluate.model_dump(mode="json", exclude={"gates", "metrics"}),
        "metrics": wanted(spec),
        "sensitive": spec.data.sensitive,
        "weight": spec.data.weight,
        "positive": spec.data.positive,
    }


def leaves(spec: Spec) -> list[tuple[str, str]]:
    """The metrics."""
    return [("metrics", name) for name in wanted(spec)]


def wanted(spec: Spec) -> tuple[str, ...]:
    """The metrics shown, and those that only a gate asks for."""
    return tuple(dict.fromkeys((*spec.evaluate.metrics, *gate_metrics(spec.evaluate.gates))))


def run(job: Job) -> Evaluation:
    """Everything that is known about the test rows; write ``predictions.parquet``."""
    import polars as pl

    frame = pl.read_parquet(job.inputs["ingest"].folder / "data.parquet")
    splits = pl.read_parquet(job.inputs["split"].folder / "parts.parquet")
    trained: Trained = job.inputs["train"].value
    predictor = Predictor.load(job.inputs["train"].folder / "predictor")
    judge = Judge(job.spec, predictor.schema, frame, splits, _context(job))
    fold: Array | None = None
    if "fold" in splits.columns:
        rows, fold, outcomes = _out_of_fold(job, judge, trained, predictor)
        test = frame[rows]
    else:
        rows = splits["part"].eq("test").fill_null(False).arg_true().to_numpy()
        test = frame[rows]
        outcomes = predictor.predict_codes(predictor.align(test, target=_labelled(predictor, test)))
    if job.spec.data.positive is not None and outcomes.task == "anomaly" and outcomes.truth is not None:
        labels = label_text(test[str(predictor.schema.target)]).fill_null("")
        outcomes = replace(outcomes, truth=anomaly_codes(labels, job.spec.data.positive))
    outcomes = replace(outcomes, weight=_weight(job.spec, test))
    _table(outcomes, rows, fold).write_parquet(job.folder / "predictions.parquet")
    names = wanted(job.spec)
    found = evaluate_outcomes(
        outcomes, test, predictor, names, bootstrap=job.spec.evaluate.bootstrap, slices=job.spec.evaluate.slices,
        sensitive=job.spec.data.sensitive, cost=job.spec.evaluate.cost, seed=job.spec.split.seed,
    )  # fmt: skip
    baseline = _baseline(outcomes, predictor, frame[judge.rows])
    if baseline is not None:
        found = replace(found, baseline={name: Metered(score_of(baseline, name)) for name in names})
    if fold is not None:
        found = replace(found, folds=_by_fold(outcomes, fold, names), notes=(*found.notes, FOLD_NOTE))
    elif job.spec.evaluate.learning_curve:
        learning = _learning(job, judge, trained, predictor, test, found)
        found = replace(found, curves={**found.curves, "learning": learning})
    return found


FOLD_NOTE = "each row was judged by a model that did not see its fold; the registered model has learned from all rows"


def evaluate_frame(
    predictor: Predictor,
    frame: pl.DataFrame,
    metrics: Sequence[str] | None = None,
    *,
    bootstrap: int = 500,
    slices: Sequence[str] = (),
    sensitive: Sequence[str] = (),
    seed: int = 0,
) -> Evaluation:
    """Judge a model on rows that bring their truth along.

    Args:
        predictor: fitted.
        frame: the columns that the model reads, and its target (but for clustering and anomalies); rows whose target
            is missing are left out.
        metrics: names; by default the task's own.
        bootstrap: resamples behind each interval.
        slices, sensitive: columns of the frame.
        seed: of the resamples.

    Raises:
        TreadleError: for a missing column, an unknown label, an unknown metric or one that does not fit the task.
    """
    from treadle.spec.gates import check_names

    names = tuple(metrics or task_named(predictor.task).metrics_for(len(predictor.classes)))
    check_names(names, (), predictor.task, len(predictor.classes), sensitive)
    schema = predictor.schema
    notes: tuple[str, ...] = ()
    target = str(schema.target)
    needed = task_named(predictor.task).truth != "none"
    if needed and target in frame.columns and frame[target].null_count():
        notes = (f"{frame[target].null_count():,} rows without a value of {target!r} are left out",)
        frame = frame.filter(frame[target].is_not_null())
    if frame.height == 0:
        raise TreadleError("there are no rows to judge the model on", expected=f"rows with a value of {target!r}")
    absent = [name for name in (*slices, *sensitive) if name not in frame.columns]
    if absent:
        raise TreadleError(f"a column is missing: {absent[0]}", expected=f"one of {', '.join(frame.columns)}")
    aligned = predictor.align(frame, target=needed or _labelled(predictor, frame))
    outcomes = predictor.predict_codes(aligned)
    readable = frame.with_columns(aligned.get_columns())
    found = evaluate_outcomes(
        outcomes, readable, predictor, names, bootstrap=bootstrap, slices=slices, sensitive=sensitive, seed=seed
    )
    return replace(found, notes=(*notes, *found.notes))


def evaluate_outcomes(
    outcomes: Outcomes,
    frame: pl.DataFrame,
    predictor: Predictor,
    names: Sequence[str],
    *,
    bootstrap: int,
    slices: Sequence[str] = (),
    sensitive: Sequence[str] = (),
    cost: Cost | None = None,
    seed: int = 0,
) -> Evaluation:
    """Metrics with intervals, confusion, curves, slices and fairness of some outcomes.

    Args:
        outcomes: of the rows of ``frame``, in its order.
        frame: where the columns of slices and fairness are taken from.
        predictor: what predicted them.
        names: metrics; the first decides.
        bootstrap: resamples.
        slices, sensitive: columns.
        cost: of the two mistakes, for the threshold curve.
        seed: of the resamples.
    """
    figures = metered(outcomes, names, count=bootstrap, seed=seed)
    given = given_slices(outcomes, [frame[name] for name in slices], names, count=bootstrap, seed=seed)
    worst: list[Slice] = []
    fairness: dict[str, Mapping[str, Any]] = {}
    notes = []
    if task_named(predictor.task).truth != "none":
        searched = [frame[name] for name in _searched(predictor.schema, frame, (*slices, *sensitive))]
        worst = worst_slices(outcomes, searched, names, count=bootstrap, seed=seed)
        fairness = {name: fairness_of(outcomes, frame[name], count=bootstrap, seed=seed) for name in sensitive}
    if outcomes.weight is not None:
        notes.append("metrics are weighted by the weight column")
    undefined = [name for name, item in figures.items() if item.value != item.value]
    if undefined:
        notes.append(f"not defined on these rows: {', '.join(undefined)}")
    return Evaluation(
        metrics=figures,
        baseline={},
        rows=len(outcomes),
        metric=names[0],
        classes=predictor.classes,
        confusion=confusion(outcomes),
        curves=curves_of(outcomes, threshold=predictor.threshold, cost=cost),
        fairness=fairness,
        slices=(*given, *worst),
        notes=tuple(notes),
    )


def confusion(outcomes: Outcomes) -> tuple[tuple[int, ...], ...]:
    """Rows by true and predicted class; nothing for more than 50 classes."""
    import numpy as np

    count = len(outcomes.classes)
    if outcomes.task != "classification" or outcomes.truth is None or count > CONFUSED:
        return ()
    cells = np.bincount(outcomes.truth * count + outcomes.prediction, minlength=count * count)
    return tuple(tuple(row) for row in cells.reshape(count, count).tolist())


def _searched(schema: Schema, frame: pl.DataFrame, also: Sequence[str]) -> list[str]:
    """The columns in which the worst rows are looked for: what is learned from, and what the user named."""
    features = [item.name for item in schema.features if item.kind not in UNSEARCHED]
    return [name for name in dict.fromkeys((*features, *also)) if name in frame.columns and name != schema.target]


def _labelled(predictor: Predictor, frame: pl.DataFrame) -> bool:
    return predictor.schema.target is not None and predictor.schema.target in frame.columns


def _weight(spec: Spec, frame: pl.DataFrame) -> Array | None:
    import polars as pl

    if spec.data.weight is None:
        return None
    return frame[spec.data.weight].cast(pl.Float64).fill_null(0.0).to_numpy()


def _context(job: Job) -> Context:
    limit = os.environ.get("OMP_NUM_THREADS", "")
    return Context(
        task=str(job.spec.task),
        seed=job.spec.model.seed,
        threads=int(limit) if limit.isdigit() and int(limit) else len(os.sched_getaffinity(0)),
        budget=seconds(job.spec.model.budget) if job.spec.model.budget else None,
        quantiles=job.spec.model.quantiles,
        events=job.events,
    )


def _baseline(outcomes: Outcomes, predictor: Predictor, learned: pl.DataFrame) -> Outcomes | None:
    """What one says who knows only the target's distribution in the training rows: majority and shares, or the mean."""
    import numpy as np

    if task_named(predictor.task).truth == "none":
        return None
    truth = predictor.truth(learned)
    rows = len(outcomes)
    if predictor.task == "classification":
        share = np.bincount(truth, minlength=len(predictor.classes)) / len(truth)
        probability = np.broadcast_to(share, (rows, len(share)))
        return replace(outcomes, prediction=np.full(rows, int(share.argmax())), probability=probability)
    bounds: dict[str, Any] = {}
    if outcomes.low is not None:
        low, high = np.quantile(truth, outcomes.extra.get("levels", (0.05, 0.95)))
        bounds = {"low": np.full(rows, low), "high": np.full(rows, high)}
    return replace(outcomes, prediction=np.full(rows, truth.mean()), **bounds)


def _out_of_fold(job: Job, judge: Judge, trained: Trained, predictor: Predictor) -> tuple[Array, Array, Outcomes]:
    """All rows, their folds, and what the chosen model says of each when it has not learned from its fold."""
    import numpy as np

    folds = judge.folds
    if folds is None:
        raise RuntimeError("the splits hold no folds")
    numbers = np.unique(folds)
    if judge.context.budget is not None:
        judge.context = replace(judge.context, budget=judge.context.budget / len(numbers))
    parts, held = [], []
    for step, number in enumerate(numbers):
        job.events.progress(f"judging fold {step + 1} of {len(numbers)}", step, len(numbers))
        rows = judge.rows[folds == number]
        fitted = judge.fit(trained.model, trained.options, judge.rows[folds != number], None)
        fitted.threshold = predictor.threshold
        parts.append(fitted.predict_codes(fitted.align(judge.frame[rows], target=_labelled(fitted, judge.frame))))
        held.append(rows)
    order = np.argsort(np.concatenate(held), kind="stable")
    extra = {
        key: np.concatenate([part.extra[key] for part in parts])
        for key in parts[0].extra
        if all(getattr(part.extra[key], "shape", ())[:1] == (len(part),) for part in parts)
    }
    fixed = {key: value for key, value in parts[0].extra.items() if key not in extra}
    outcomes = replace(joined(parts), extra={**fixed, **extra}).take(order)
    return judge.rows, folds, outcomes


def _by_fold(outcomes: Outcomes, fold: Array, names: Sequence[str]) -> tuple[Mapping[str, float], ...]:
    import numpy as np

    found = []
    for number in np.unique(fold):
        part = outcomes.take(fold == number)
        found.append({name: score_of(part, name) for name in names})
    return tuple(found)


def _learning(
    job: Job, judge: Judge, trained: Trained, predictor: Predictor, test: pl.DataFrame, found: Evaluation
) -> dict[str, Any]:
    """The deciding metric on the test rows, of the chosen model fitted on growing parts of what it may learn from."""
    import numpy as np

    order = judge.rows
    if predictor.schema.time is None:
        order = np.random.default_rng(job.spec.split.seed).permutation(judge.rows)
    else:
        order = order[judge.frame[order][predictor.schema.time].arg_sort(descending=True).to_numpy()]
    sizes, figures = [], []
    for step, fraction in enumerate(FRACTIONS):
        size = round(fraction * len(order))
        job.events.progress(f"learning curve: {size:,} rows", step, len(FRACTIONS))
        if fraction == 1.0:
            figure = found.metrics[found.metric]
        else:
            chosen = np.sort(order[:size])
            if judge.classes and judge.frame[chosen][str(predictor.schema.target)].n_unique() < len(judge.classes):
                continue
            fitted = judge.fit(trained.model, trained.options, chosen, None)
            fitted.threshold = predictor.threshold
            outcomes = fitted.predict_codes(fitted.align(test, target=_labelled(fitted, test)))
            figure = metered(outcomes, [found.metric], count=200)[found.metric]
        sizes.append(size)
        figures.append(figure)
    return {
        "metric": found.metric,
        "rows": sizes,
        "value": [item.value for item in figures],
        "low": [item.low for item in figures],
        "high": [item.high for item in figures],
    }


def _table(outcomes: Outcomes, rows: Array, fold: Array | None) -> pl.DataFrame:
    """``row`` (position in the dataset), ``truth``, ``prediction`` (codes or values), and what else was predicted."""
    import polars as pl

    columns: dict[str, Any] = {"row": rows, "truth": outcomes.truth, "prediction": outcomes.prediction}
    if outcomes.probability is not None:
        columns |= {f"probability_{code}": column for code, column in enumerate(outcomes.probability.T)}
    columns |= {"low": outcomes.low, "high": outcomes.high, "weight": outcomes.weight, "fold": fold}
    columns["score"] = outcomes.extra.get("score")
    return pl.DataFrame({name: column for name, column in columns.items() if column is not None})


def read_outcomes(table: pl.DataFrame, task: str, classes: Sequence[str]) -> Outcomes:
    """The inverse: outcomes from ``predictions.parquet``."""
    import numpy as np

    def column(name: str) -> Array | None:
        return table[name].to_numpy() if name in table.columns else None

    probability = None
    if "probability_0" in table.columns:
        probability = np.stack([table[f"probability_{code}"].to_numpy() for code in range(len(classes))], axis=1)
    score = column("score")
    return Outcomes(
        task,
        column("truth"),
        table["prediction"].to_numpy(),
        probability,
        tuple(classes),
        column("low"),
        column("high"),
        column("weight"),
        {} if score is None else {"score": score},
    )


def direction(name: str) -> bool:
    """Whether more of a metric is better."""
    return bool(registry.load("metrics", name).tags.greater_is_better)
