"""Make the bundle, log the run, register the model."""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from treadle.core.errors import TreadleError
from treadle.core.jsonable import dumps, encode
from treadle.core.predictor import Predictor
from treadle.core.types import Schema
from treadle.spec.read import to_yaml
from treadle.spec.spec import Spec
from treadle.stages.values import Decision, Evaluation, Job, Registered, Trained
from treadle.store import registry
from treadle.store.bundle import write_bundle
from treadle.store.examples import choose
from treadle.store.mlmodel import mlflow_files
from treadle.store.recorder import keep_settings
from treadle.store.tracking import DIGEST_TAG, RUN_TAG
from treadle.store.versions import code_version, libraries_of, versions_of
from treadle.store.workspace import Workspace

if TYPE_CHECKING:
    import polars as pl

INPUTS = ("ingest", "split", "train", "evaluate", "explain", "decide")
VALUE = Registered
MAX_PARAM = 500


def settings(spec: Spec) -> Any:
    """The part of the spec that this stage depends on."""
    return {"name": spec.name, "store": spec.store}


def leaves(spec: Spec) -> list[tuple[str, str]]:
    """No component has a part in this."""
    return []


def run(job: Job) -> Registered:
    """Write ``bundle/`` and register it. Doing it again for the same run finds what a crash left and completes it."""
    if job.recorder is None:
        raise ValueError("this stage needs the line to tracking")
    workspace = Workspace(job.workspace)
    predictor = Predictor.load(job.inputs["train"].folder / "predictor")
    facts = _facts(job, predictor)
    digest = _bundle(job, predictor, facts)
    name = str(job.spec.name)
    keep_settings(workspace, job.spec.store)
    tracked = job.recorder.call("record", **_record(job, facts, digest))
    registered = job.recorder.call(
        "register", name=name, tracking_run=tracked, path="bundle",
        tags={RUN_TAG: job.run, DIGEST_TAG: digest, "treadle.passed": str(facts["passed"]).lower()},
        description=_description(facts),
    )  # fmt: skip
    root = job.workspace.resolve()
    artifact = Path(registered["source"]) if registered["source"] else None
    entry = {
        "model": name,
        "version": registered["version"],
        "run": job.run,
        "digest": digest,
        "bundle": f"cache/register/{job.scratch.name}/bundle",
        "artifact": str(artifact.relative_to(root)) if artifact and artifact.is_relative_to(root) else None,
        "tracking_run": tracked,
        "passed": facts["passed"],
        "metrics": facts["metrics"],
        "gates": facts["gates"],
    }
    model = registry.register(workspace, job.recorder, entry, served=registered["champion"])
    version = str(registered["version"])
    return Registered(name, version, model.aliases_of(version), tracked, digest, job.run)


def _facts(job: Job, predictor: Predictor) -> dict[str, Any]:
    """The manifest's part that says where the model comes from; nothing in it depends on when or where this runs."""
    dataset, splits = job.inputs["ingest"].value, job.inputs["split"].value
    trained: Trained = job.inputs["train"].value
    evaluation: Evaluation = job.inputs["evaluate"].value
    decision: Decision = job.inputs["decide"].value
    return {
        "name": job.spec.name,
        "run": job.run,
        "made": _made(job.run),
        "task": job.spec.task,
        "model": trained.model,
        "options": encode(trained.options),
        "dataset": {"version": dataset.version, "rows": dataset.rows, "source": list(dataset.source)},
        "split": encode(splits),
        "metric": evaluation.metric,
        "metrics": encode(evaluation.metrics),
        "gates": encode(decision.gates),
        "passed": decision.passed,
        "code": code_version(job.project),
        "versions": _libraries(predictor),
    }


def _made(run: str) -> str:
    """The start of the run, as its id tells it, as ISO time."""
    try:
        moment = datetime.datetime.strptime(run[:15], "%Y%m%d-%H%M%S").replace(tzinfo=datetime.UTC)
    except ValueError:
        moment = datetime.datetime.now(datetime.UTC)
    return moment.isoformat(timespec="seconds")


def _libraries(predictor: Predictor) -> dict[str, str]:
    """Packages that the model, those it is made of, and the named steps need, with their versions."""
    models = {predictor.model_name, *getattr(predictor.model, "names", ())}
    steps = {step for chosen in predictor.steps.values() for step, _ in chosen}
    return versions_of(
        libraries_of([*(("models", name) for name in models), *(("transforms", name) for name in steps)])
    )


def _bundle(job: Job, predictor: Predictor, facts: Mapping[str, Any]) -> str:
    rows = _rows(job, predictor.schema)
    answers = predictor.predict(rows.head(1))
    outputs = {name: str(dtype) for name, dtype in answers.schema.items()}
    texts = mlflow_files(predictor.schema, outputs, facts["versions"], run=job.run, made=facts["made"])
    return write_bundle(
        job.folder / "bundle", job.inputs["train"].folder / "predictor", predictor, examples=rows,
        baseline=job.inputs["train"].value.profiles, facts=facts, texts={**texts, "treadle.yaml": to_yaml(job.spec)},
    )  # fmt: skip


def _rows(job: Job, schema: Schema) -> pl.DataFrame:
    """Rows that the model did not learn from, where there are any."""
    import polars as pl

    frame = pl.scan_parquet(job.inputs["ingest"].folder / "data.parquet")
    frame = frame.select(item.name for item in schema.features)
    parts = pl.scan_parquet(job.inputs["split"].folder / "parts.parquet").select(pl.col("part").alias("_part"))
    both = pl.concat([frame, parts], how="horizontal")
    for part in ("test", "valid", "train"):
        rows = choose(both.filter(pl.col("_part") == part).drop("_part").head(1000).collect())
        if rows.height:
            return rows
    raise TreadleError("there are no rows to make examples of")


def _record(job: Job, facts: Mapping[str, Any], digest: str) -> dict[str, Any]:
    evaluation: Evaluation = job.inputs["evaluate"].value
    dataset = facts["dataset"]
    metrics = {}
    for name, item in evaluation.metrics.items():
        for suffix, value in (("", item.value), (".low", item.low), (".high", item.high)):
            if value is not None and value == value:
                metrics[f"{name}{suffix}"] = float(value)
    for name, item in evaluation.baseline.items():
        if item.value == item.value:
            metrics[f"baseline.{name}"] = float(item.value)
    params = {"model": facts["model"], **_flat(facts["options"], "model.options")}
    params |= {key: value for key, value in _flat(job.spec.model_dump(mode="json")).items() if key not in params}
    text = job.folder / "treadle.yaml"
    text.write_text(to_yaml(job.spec), encoding="utf-8")
    code = facts["code"]
    tags = {
        "mlflow.note.content": _description(facts),
        "mlflow.source.name": "treadle run",
        "mlflow.source.type": "LOCAL",
        "treadle.version": code["treadle"],
        "treadle.code": code["hash"],
        "treadle.dataset": dataset["version"],
        "treadle.task": str(facts["task"]),
        DIGEST_TAG: digest,
    }
    if code["commit"]:
        tags["mlflow.source.git.commit"] = code["commit"]
    return {
        "experiment": str(job.spec.name),
        "run": job.run,
        "params": params,
        "metrics": metrics,
        "tags": tags,
        "dataset": {
            "name": ", ".join(dataset["source"])[:400],
            "digest": dataset["version"],
            "source": ", ".join(dataset["source"]),
            "rows": str(dataset["rows"]),
        },
        "files": {"bundle": str(job.folder / "bundle"), "treadle.yaml": str(text)},
    }


def _flat(value: Any, path: str = "") -> dict[str, str]:
    """Dotted names and texts of what a section says; empty parts are left out."""
    if isinstance(value, Mapping):
        found: dict[str, str] = {}
        for key, item in value.items():
            found |= _flat(item, f"{path}.{key}" if path else str(key))
        return found
    if value is None or value == []:
        return {}
    name = re.sub(r"[^\w./ -]", "_", path)[:250]
    return {name: (value if isinstance(value, str) else dumps(value))[:MAX_PARAM]}


def _description(facts: Mapping[str, Any]) -> str:
    """One paragraph for a person, as MLflow shows it."""
    metric = facts["metric"]
    figure = facts["metrics"].get(metric) or {}
    value = figure.get("value")
    shown = f"{metric} {value:.4g}" if value is not None else str(metric)
    if figure.get("low") is not None and figure.get("high") is not None:
        shown += f" (95 % interval {figure['low']:.4g} to {figure['high']:.4g})"
    gates = f"{len(facts['gates'])} gates, {'all passed' if facts['passed'] else 'not all passed'}"
    return (
        f"{facts['task']} by {facts['model']} on {facts['dataset']['rows']:,} rows: {shown} on the test rows; "
        f"{gates if facts['gates'] else 'no gates'}."
    )
