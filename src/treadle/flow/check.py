"""Check a spec and its data before anything is trained: every name, option and column that the spec mentions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from treadle.core import registry
from treadle.core.errors import Problems, TreadleError, raise_all
from treadle.core.events import Events
from treadle.core.jsonable import decode, read_json
from treadle.core.types import Inference
from treadle.flow.plan import Plan, stage_module
from treadle.flow.run import make_plan
from treadle.spec.spec import Spec
from treadle.stages.values import Dataset, Done, Finding, Job, Quality
from treadle.store.workspace import Workspace


@dataclass(frozen=True)
class Checked:
    """A spec and data without mistakes.

    Attributes:
        spec: completed.
        inferred: what was filled in, and why.
        dataset: what was read.
        findings: what a person should know about it; none is an error, those are raised.
    """

    spec: Spec
    inferred: tuple[Inference, ...]
    dataset: Dataset
    findings: tuple[Finding, ...]


def check(spec: Spec, project: Path, events: Events) -> Checked:
    """Read the data, settle the spec, and hold each against the other.

    Raises:
        TreadleError: everything that is wrong, in one error.
    """
    plan = make_plan(spec, project, events)
    workspace = Workspace(project / ".treadle")
    fingerprint = plan.steps[0].fingerprint
    folder = workspace.results("ingest", fingerprint)
    dataset = Done(decode(Dataset, read_json(folder / "value.json")), folder, fingerprint)
    return Checked(
        plan.spec, plan.inferred, dataset.value, _quality(plan, dataset, project, workspace, events).findings
    )


def check_names(spec: Spec) -> None:
    """What can be said without the data: models, steps and metrics that exist, options of models that fit."""
    raise_all(_collect(_name_checks(spec)))


def _name_checks(spec: Spec) -> Iterator[Callable[[], Any]]:
    names = (spec.model.name,) if isinstance(spec.model.name, str) else spec.model.name or ()
    for name in names:
        alone = len(names) == 1
        given = spec.model.options if alone else spec.model.options.get(name, {})
        yield partial(_model, name, given, "model.options" if alone else f"model.options.{name}")
    for column, steps in spec.steps().items():
        for step, _ in steps:
            yield partial(registry.load, "transforms", step, where=f"features.{column}")
    for metric in spec.evaluate.metrics:
        yield partial(registry.load, "metrics", metric, where="evaluate.metrics")


def _model(name: str, given: Mapping[str, Any], place: str) -> None:
    component = registry.load("models", name, where="model.name")
    registry.require(component, name, where="model.name")
    registry.check_options(component, given, name=name, where=place)


def _collect(checks: Iterator[Callable[[], Any]]) -> list[TreadleError]:
    found: list[TreadleError] = []
    for each in checks:
        try:
            each()
        except Problems as several:
            found += several.problems
        except TreadleError as error:
            found.append(error)
    return found


def _quality(plan: Plan, dataset: Done, project: Path, workspace: Workspace, events: Events) -> Quality:
    step = next(step for step in plan.steps if step.name == "validate")
    if step.cached:
        kept: Quality = decode(Quality, read_json(workspace.results("validate", step.fingerprint) / "value.json"))
        return kept
    with TemporaryDirectory(prefix="treadle-") as place:
        folder = Path(place)
        done = {"ingest": dataset}
        job = Job(plan.spec, folder, project, workspace.root, done, events, folder / "scratch")
        found: Quality = stage_module("validate").run(job)
        return found
