"""Make the bundle, log the run, register the model."""

from __future__ import annotations

import platform
from importlib.metadata import version
from typing import Any

from treadle.core.predictor import Predictor
from treadle.spec.read import to_yaml
from treadle.spec.spec import Spec
from treadle.stages.values import Job, Registered
from treadle.store import ledger
from treadle.store.bundle import write_bundle
from treadle.store.tracking import CHALLENGER, CHAMPION, local_tracking
from treadle.store.workspace import Workspace

INPUTS = ("ingest", "split", "train", "evaluate", "explain", "decide")
VALUE = Registered


def settings(spec: Spec) -> Any:
    """The part of the spec that this stage depends on."""
    return {"name": spec.name, "store": spec.store}


def leaves(spec: Spec) -> list[tuple[str, str]]:
    """No component has a part in this."""
    return []


def run(job: Job) -> Registered:
    """Write ``bundle/`` and register it."""
    import polars as pl

    dataset = job.inputs["ingest"].value
    trained = job.inputs["train"].value
    evaluation = job.inputs["evaluate"].value
    decision = job.inputs["decide"].value
    predictor = Predictor.load(job.inputs["train"].folder / "predictor")
    parts = pl.read_parquet(job.inputs["split"].folder / "parts.parquet")["part"]
    frame = pl.read_parquet(job.inputs["ingest"].folder / "data.parquet").filter(parts == "test")
    names = [item.name for item in dataset.schema.features]
    name = str(job.spec.name)
    facts = {
        "name": name,
        "run": job.run,
        "task": job.spec.task,
        "model": trained.model,
        "dataset": dataset.version,
        "metrics": {key: item.value for key, item in evaluation.metrics.items()},
        "versions": {
            "python": platform.python_version(),
            **{p: version(p) for p in ("numpy", "polars", "scikit-learn")},
        },
    }
    digest = write_bundle(
        job.folder / "bundle", predictor, examples=frame.select(names), baseline=trained.profiles, facts=facts,
        texts={"treadle.yaml": to_yaml(job.spec)},
    )  # fmt: skip
    tracking = local_tracking(job.workspace)
    run = tracking.log_run(
        name, job.run, params={"model": trained.model, **trained.options},
        metrics={key: item.value for key, item in evaluation.metrics.items() if item.value == item.value},
        tags={"treadle.run": job.run, "treadle.dataset": dataset.version}, files={"bundle": job.folder / "bundle"},
    )  # fmt: skip
    number = tracking.register(name, run, "bundle", {"treadle.run": job.run, "treadle.digest": digest})
    aliases = [CHALLENGER]
    tracking.set_alias(name, CHALLENGER, number)
    if decision.passed and tracking.version(name, CHAMPION) is None:
        tracking.set_alias(name, CHAMPION, number)
        aliases.append(CHAMPION)
        ledger.append(Workspace(job.workspace), "promote", {"model": name, "version": number, "digest": digest})
    return Registered(name, number, tuple(sorted(aliases)), run, digest)
