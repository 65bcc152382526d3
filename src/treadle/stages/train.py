"""Fit the model, or the best of several, on the training rows; the validation rows choose."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from treadle.core import registry
from treadle.core.errors import TreadleError
from treadle.core.predictor import Predictor, classes_of
from treadle.core.types import Context, Outcomes, Schema
from treadle.spec.base import seconds
from treadle.spec.spec import Spec
from treadle.stages.values import Candidate, Job, Trained

if TYPE_CHECKING:
    import polars as pl

    from treadle.core.types import Array

INPUTS = ("ingest", "split")
VALUE = Trained


def settings(spec: Spec) -> Any:
    """The part of the spec that this stage depends on."""
    return {
        "model": spec.model.model_dump(mode="json"),
        "features": spec.features,
        "metric": spec.evaluate.metrics[:1],
        "cost": spec.evaluate.cost,
        "task": spec.task,
    }


def leaves(spec: Spec) -> list[tuple[str, str]]:
    """The models, the kinds of columns, the named steps and the deciding metric."""
    found = [("models", name) for name in model_names(spec)]
    found += [("modalities", name) for name in registry.names("modalities")]
    found += [("transforms", step) for steps in spec.steps().values() for step, _ in steps]
    return found + [("metrics", name) for name in spec.evaluate.metrics[:1]]


def model_names(spec: Spec) -> tuple[str, ...]:
    """The models to try."""
    name = spec.model.name or ()
    return (name,) if isinstance(name, str) else tuple(name)


def run(job: Job) -> Trained:
    """Fit, choose, refit; write ``predictor/`` and ``valid.parquet``."""
    import polars as pl

    dataset = job.inputs["ingest"].value
    frame = pl.read_parquet(job.inputs["ingest"].folder / "data.parquet")
    parts = pl.read_parquet(job.inputs["split"].folder / "parts.parquet")["part"]
    task = str(job.spec.task)
    schema: Schema = dataset.schema
    classes = classes_of(frame[str(schema.target)]) if task == "classification" else ()
    train, valid = frame.filter(parts == "train"), frame.filter(parts == "valid")
    metric = job.spec.evaluate.metrics[0]
    context = Context(
        task=task,
        classes=len(classes),
        seed=job.spec.model.seed,
        threads=int(os.environ.get("OMP_NUM_THREADS", os.cpu_count() or 1)),
        budget=seconds(job.spec.model.budget) if job.spec.model.budget else None,
        metric=metric,
        quantiles=job.spec.model.quantiles,
        events=job.events,
        folder=job.scratch,
    )
    names = model_names(job.spec)
    best: tuple[float, Predictor] | None = None
    candidates = []
    for number, name in enumerate(names):
        job.events.progress(f"fitting {name}", number, len(names))
        started = time.perf_counter()
        predictor = Predictor(
            schema=schema, task=task, model_name=name, options=job.spec.model.options, classes=classes,
            steps=job.spec.steps(),
        )  # fmt: skip
        aligned = predictor.align(train, target=True)
        held = predictor.align(valid, target=True) if valid.height else None
        predictor.fit(aligned, held, context, weights(predictor, aligned, job.spec))
        score = score_of(predictor.predict_codes(held), metric) if held is not None else float("nan")
        candidates.append(Candidate(name, predictor.options, score, time.perf_counter() - started))
        if best is None or better(score, best[0], metric):
            best = (score, predictor)
    if best is None:
        raise TreadleError("no model was tried", where="model.name")
    score, predictor = best
    candidates = [replace(item, chosen=item.model == predictor.model_name) for item in candidates]
    if job.spec.model.refit and valid.height:
        options = {**predictor.options, **(predictor.model.settled() if "settled" in predictor.model.tags.can else {})}  # type: ignore[attr-defined]
        predictor = Predictor(
            schema=schema, task=task, model_name=predictor.model_name, options=options, classes=classes,
            steps=job.spec.steps(),
        )  # fmt: skip
        both = predictor.align(frame.filter(parts.is_in(["train", "valid"])), target=True)
        predictor.fit(both, None, context, weights(predictor, both, job.spec))
    predictor.save(job.folder / "predictor")
    profiles = tuple(registry.load("modalities", item.kind)().profile(train[item.name]) for item in schema.features)
    chosen = next(item for item in candidates if item.chosen)
    return Trained(
        predictor.model_name, predictor.options, metric, tuple(candidates), classes, predictor.threshold,
        chosen.seconds, profiles,
    )  # fmt: skip


def weights(predictor: Predictor, frame: pl.DataFrame, spec: Spec) -> Array | None:
    """One weight a training row, or None."""
    import numpy as np

    if spec.model.weights == "balanced" and predictor.classes:
        codes = predictor.truth(frame)
        counts = np.bincount(codes, minlength=len(predictor.classes))
        return np.asarray(len(codes) / (np.count_nonzero(counts) * counts[codes]), dtype=np.float64)
    return None


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
