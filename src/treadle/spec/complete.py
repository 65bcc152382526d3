"""Fill in what the user left out, from the data; each filled value carries its reason."""

from __future__ import annotations

from typing import Any

from treadle.core import registry
from treadle.core.errors import TreadleError, did_you_mean, listing, raise_all
from treadle.core.tasks import task_named
from treadle.core.types import Inference, Schema
from treadle.spec.features import check_steps
from treadle.spec.gates import check_names
from treadle.spec.spec import Spec

MANY_VALUES = 20


def complete(spec: Spec, schema: Schema, *, folder: str) -> tuple[Spec, list[Inference]]:
    """The spec with task, split, model and metrics settled.

    Args:
        spec: as read.
        schema: of the ingested data.
        folder: the project folder's name, for the model's name.
    """
    found: list[Inference] = []

    def fill(path: str, value: Any, reason: str) -> Any:
        found.append(Inference(path, value, reason))
        return value

    name = spec.name or fill("name", _clean(folder), "the folder's name")
    task = spec.task or fill("task", *_task(schema))
    _check_target(task, schema)
    _check_features(schema)
    method = spec.split.method
    if method is None:
        method = fill("split.method", *_method(spec, task))
    classes = len(schema.field(schema.target).categories or ()) if schema.target else 0
    model = spec.model.name or fill("model.name", *_models(schema, task))
    for one in (model,) if isinstance(model, str) else model:
        tags = registry.load("models", one, where="model.name").tags
        if task not in tags.tasks:
            fitting = [other for other in registry.names("models") if task in registry.load("models", other).tags.tasks]
            raise TreadleError(f"{one} cannot do {task}", where="model.name", expected=f"one of {listing(fitting)}")
    metrics = spec.evaluate.metrics
    if not metrics:
        known = registry.names("metrics")
        chosen = tuple(item for item in task_named(task).metrics_for(classes) if item in known)
        if task == "clustering" and schema.target:
            chosen += tuple(item for item in ("ari", "nmi") if item in known)
        if task == "anomaly" and schema.target:
            chosen = tuple(item for item in ("roc_auc", "average_precision") if item in known) + chosen
        metrics = fill("evaluate.metrics", chosen, f"the usual ones for {task}")
    raise_all([suggest_column(item, schema.names, "evaluate.slices") for item in spec.evaluate.slices
               if item not in schema])  # fmt: skip
    check_steps(spec.steps(), schema)
    check_names(metrics, spec.evaluate.gates, task, classes, schema.sensitive)
    done = spec.model_copy(
        update={
            "name": name,
            "task": task,
            "split": spec.split.model_copy(update={"method": method}),
            "model": spec.model.model_copy(update={"name": model}),
            "evaluate": spec.evaluate.model_copy(update={"metrics": metrics}),
        }
    )
    return done, found


def _clean(folder: str) -> str:
    text = "".join(letter if letter.isalnum() or letter in "_.-" else "-" for letter in folder).strip("-._")
    return text or "model"


def _task(schema: Schema) -> tuple[str, str]:
    if schema.target is None:
        return "clustering", "there is no target"
    target = schema.field(schema.target)
    if target.kind in ("category", "boolean"):
        return "classification", f"the target {target.name!r} is of kind {target.kind}"
    if target.kind == "number":
        whole = target.dtype.startswith(("Int", "UInt"))
        if whole and (target.unique or 0) <= MANY_VALUES:
            return "classification", f"the target {target.name!r} has {target.unique} distinct whole numbers"
        return "regression", f"the target {target.name!r} is a number with {target.unique:,} distinct values"
    return "classification", f"the target {target.name!r} is of kind {target.kind}"


def _check_target(task: str, schema: Schema) -> None:
    if task_named(task).truth == "none":
        return
    if schema.target is None:
        raise TreadleError(
            f"{task} needs a target", where="data.target", expected=f"one of {listing(schema.names)}",
            remedy="name the column to predict, as `data: {target: COLUMN}`",
        )  # fmt: skip
    target = schema.field(schema.target)
    words = target.dtype == "String" and target.kind != "number"
    if task == "regression" and (words or target.kind not in ("number", "boolean")):
        raise TreadleError(
            f"regression needs a number, {target.name!r} is of kind {target.kind} ({target.reason})",
            where="task", remedy="say `task: classification`, or mend the column",
        )  # fmt: skip


def _check_features(schema: Schema) -> None:
    if not schema.features:
        left = [f"{item.name} ({item.reason or item.role})" for item in schema.fields if item.name != schema.target]
        raise TreadleError(
            "no column is left to learn from" + (f": {listing(left)}" if left else ""), where="data",
            expected="at least one column beside the target that is neither constant nor an identifier",
        )  # fmt: skip


def _method(spec: Spec, task: str) -> tuple[str, str]:
    if spec.data.time:
        return "time", f"data.time is {spec.data.time!r}: the latest rows judge"
    if spec.data.group:
        return "group", f"data.group is {spec.data.group!r}: its rows stay together"
    return "random", "stratified by the target" if task == "classification" else "no time and no group are given"


def _models(schema: Schema, task: str) -> tuple[tuple[str, ...] | str, str]:
    chosen: dict[str, None] = {}
    kinds = sorted({item.kind for item in schema.features})
    for kind in kinds:
        for name in registry.load("modalities", kind)().defaults(task):
            if name in registry.names("models"):
                chosen[name] = None
    if not chosen:
        for name in registry.load("modalities", "number")().defaults(task):
            chosen[name] = None
    if not chosen:
        raise TreadleError(f"no model does {task} by default", where="model.name", remedy="name one under `model`")
    best = tuple(chosen)
    reason = f"usual for {task} on columns of kind {listing(kinds)}"
    return (best[0], reason) if len(best) == 1 else (best, f"{reason}; the best on the validation rows wins")


def suggest_column(name: str, known: tuple[str, ...], where: str) -> TreadleError:
    """The error for a column that the data does not have."""
    return TreadleError(
        f"there is no column {name!r}{did_you_mean(name, known)}", where=where, expected=f"one of {listing(known)}"
    )
