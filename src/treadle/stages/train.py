"""Fit the model, or the best of several; rows that are neither learned from nor for testing choose."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from treadle.core import registry
from treadle.core.errors import TreadleError
from treadle.core.tasks import task_named
from treadle.core.types import Context, Outcomes, Schema
from treadle.spec.base import seconds
from treadle.spec.spec import Spec
from treadle.stages.judge import Judge, Judged, better
from treadle.stages.threshold import choose_threshold
from treadle.stages.tune import tune
from treadle.stages.values import Candidate, Job, Trained

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
        "positive": spec.data.positive,
        "weight": spec.data.weight,
    }


def leaves(spec: Spec) -> list[tuple[str, str]]:
    """The models, the kinds of columns, the named steps and the deciding metric."""
    named = model_names(spec)
    # A model without columns of its own needs (`auto`) fits others, which it finds by their names.
    if any(registry.load("models", name).tags.frame for name in named):
        named = registry.names("models")
    found = [("models", name) for name in named]
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

    schema: Schema = job.inputs["ingest"].value.schema
    frame = pl.read_parquet(job.inputs["ingest"].folder / "data.parquet")
    splits = pl.read_parquet(job.inputs["split"].folder / "parts.parquet")
    context = Context(
        task=str(job.spec.task),
        seed=job.spec.model.seed,
        threads=_threads(),
        budget=seconds(job.spec.model.budget) if job.spec.model.budget else None,
        quantiles=job.spec.model.quantiles,
        events=job.events,
        folder=job.scratch,
    )
    judge = Judge(job.spec, schema, frame, splits, context)
    judged, candidates, options, took = _choose(job, judge)
    predictor = judged.predictor
    if job.spec.model.refit and not judged.whole and len(judge.rows) > len(judge.train) * (judge.folds is None):
        job.events.progress(f"fitting {predictor.model_name} on all {len(judge.rows):,} rows", len(candidates))
        predictor = judge.fit(predictor.model_name, {**options, **judged.settled}, judge.rows, None)
    if judged.outcomes is not None and judge.task == "classification":
        predictor.threshold = choose_threshold(judged.outcomes, job.spec.evaluate.cost, judge.metric)
    predictor.save(job.folder / "predictor")
    if judged.outcomes is not None and task_named(judge.task).truth != "none":
        _valid_frame(judged.outcomes, judged.rows).write_parquet(job.folder / "valid.parquet")
    learned = frame[judge.rows]
    profiles = tuple(registry.load("modalities", item.kind)().profile(learned[item.name]) for item in schema.features)
    return Trained(
        model=predictor.model_name,
        options=predictor.options,
        metric=judge.metric,
        candidates=tuple(candidates),
        classes=judge.classes,
        threshold=predictor.threshold,
        seconds=took,
        profiles=profiles,
    )


def _threads() -> int:
    """As many as OMP_NUM_THREADS says, else as the processor has cores for this process."""
    limit = os.environ.get("OMP_NUM_THREADS", "")
    return int(limit) if limit.isdigit() and int(limit) > 0 else len(os.sched_getaffinity(0))


def _choose(job: Job, judge: Judge) -> tuple[Judged, list[Candidate], dict[str, Any], float]:
    """The best candidate with its options, all candidates (best first), and the seconds of the winner."""
    names = model_names(job.spec)
    best: tuple[Judged, dict[str, Any], float] | None = None
    candidates: list[Candidate] = []
    for number, name in enumerate(names):
        job.events.progress(f"fitting {name}", number, len(names))
        started = time.perf_counter()
        options: dict[str, Any] = dict(_options(job.spec, name, names))
        if job.spec.model.tune is not None and "held_out" not in registry.load("models", name).tags.can:
            judged, tried, options = tune(job, judge, name, options, job.spec.model.tune)
        else:
            judged = judge.judge(name, options)
            tried = [Candidate(name, options, judged.score, time.perf_counter() - started)]
            if "leaderboard" in judged.predictor.model.tags.can:
                model: Any = judged.predictor.model
                tried += [
                    Candidate(row["model"], {**row["options"], "weight": row["weight"]}, row["score"], row["seconds"])
                    for row in model.leaderboard()[1:]
                ]
        took = time.perf_counter() - started
        candidates += tried
        if best is None or better(judged.score, best[0].score, judge.metric):
            best = (judged, options, took)
        if job.events.stopping:
            break
    if best is None:
        raise TreadleError("no model was tried", where="model.name")
    judged, options, took = best
    if "leaderboard" not in judged.predictor.model.tags.can:
        winner = (judged.predictor.model_name, options)
        candidates = [replace(item, chosen=(item.model, dict(item.options)) == winner) for item in candidates]
    else:
        candidates = [replace(item, chosen=item.model == judged.predictor.model_name) for item in candidates]
    up = registry.load("metrics", judge.metric).tags.greater_is_better
    worst = float("-inf") if up else float("inf")
    candidates.sort(
        key=lambda item: (not item.chosen, (-1 if up else 1) * (worst if item.score is None else item.score))
    )
    return judged, candidates, options, took


def _options(spec: Spec, name: str, names: tuple[str, ...]) -> Mapping[str, Any]:
    """One model's options: all that the spec gives, or for a list of models those under the model's name."""
    if len(names) == 1:
        return spec.model.options
    unknown = [key for key in spec.model.options if key not in names]
    if unknown:
        raise TreadleError(
            f"with several models, options stand under the name of one: {unknown[0]!r} is none of them",
            where="model.options", expected=f"{{{names[0]}: {{OPTION: VALUE}}}}",
        )  # fmt: skip
    return dict(spec.model.options.get(name, {}))


def _valid_frame(outcomes: Outcomes, rows: Any) -> Any:
    """``row``, ``truth``, ``prediction`` (codes or values) and ``probability_<code>`` of the rows that chose."""
    import polars as pl

    columns: dict[str, Any] = {"row": rows, "truth": outcomes.truth, "prediction": outcomes.prediction}
    if outcomes.probability is not None:
        columns |= {f"probability_{code}": column for code, column in enumerate(outcomes.probability.T)}
    return pl.DataFrame(columns)
