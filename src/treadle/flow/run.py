"""Go round once: run what has to run, take the rest from the workspace, and say what came out."""

from __future__ import annotations

import datetime
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from treadle.core.events import Event, Events
from treadle.core.files import new_folder, write_json
from treadle.core.jsonable import decode, encode, read_json
from treadle.core.types import Inference
from treadle.flow.plan import STAGES, Plan, Step, stage_module, step_for
from treadle.spec.complete import complete
from treadle.spec.read import write_spec
from treadle.spec.spec import Spec
from treadle.stages.ingest import source_fingerprint
from treadle.stages.values import Done, Job
from treadle.store.workspace import Workspace


@dataclass(frozen=True)
class Took:
    """How a stage went."""

    name: str
    cached: bool
    seconds: float


@dataclass(frozen=True)
class Run:
    """A finished run.

    Attributes:
        id: of the run.
        spec: completed.
        inferred: what was filled in, and why.
        stages: how each went.
        done: the stages' values and folders.
        folder: of the run.
    """

    id: str
    spec: Spec
    inferred: tuple[Inference, ...]
    stages: tuple[Took, ...]
    done: Mapping[str, Done]
    folder: Path

    def value(self, stage: str) -> Any:
        """What a stage handed on."""
        return self.done[stage].value

    def summary(self) -> dict[str, Any]:
        """The JSON that ``treadle run --json`` ends with."""
        registered = self.value("register")
        return {
            "run": self.id,
            "model": {"name": registered.name, "version": registered.version, "aliases": list(registered.aliases)},
            "task": self.spec.task,
            "metrics": encode(self.value("evaluate").metrics),
            "gates": encode(self.value("decide").gates),
            "stages": encode(self.stages),
            "report": str(self.folder / "report.html"),
            "bundle": str(self.done["register"].folder / "bundle"),
        }


def make_plan(spec: Spec, project: Path, events: Events) -> Plan:
    """Fingerprint every stage. The data is read first when it was not read before: what is inferred rests on it."""
    workspace = Workspace(project / ".treadle").open()
    first = step_for("ingest", spec, {}, workspace, source_fingerprint(spec.data, project))
    dataset = _do(first, spec, project, workspace, {}, events, "")[0]
    return _plan(spec, project, workspace, first, dataset)


def _plan(spec: Spec, project: Path, workspace: Workspace, first: Step, dataset: Done) -> Plan:
    completed, inferred = complete(spec, dataset.value.schema, folder=project.resolve().name)
    steps = [first]
    before = {"ingest": first.fingerprint}
    for name in STAGES[1:]:
        step = step_for(name, completed, before, workspace)
        before[name] = step.fingerprint
        steps.append(step)
    return Plan(tuple(steps), completed, tuple(inferred))


def run(spec: Spec, project: Path, events: Events) -> Run:
    """All stages, each from the workspace when nothing it depends on has changed."""
    workspace = Workspace(project / ".treadle").open()
    with workspace.lock():
        identity = datetime.datetime.now(datetime.UTC).strftime("%Y%m%d-%H%M%S-") + secrets.token_hex(3)
        first = step_for("ingest", spec, {}, workspace, source_fingerprint(spec.data, project))
        done: dict[str, Done] = {}
        took = []
        done["ingest"], seconds, cached = _do(first, spec, project, workspace, done, events, identity)
        took.append(Took("ingest", cached, seconds))
        plan = _plan(spec, project, workspace, first, done["ingest"])
        for step in plan.steps[1:]:
            done[step.name], seconds, cached = _do(step, plan.spec, project, workspace, done, events, identity)
            took.append(Took(step.name, cached, seconds))
        if all(item.cached for item in took):
            identity = _run_of(workspace, done) or identity
        folder = workspace.run(identity)
        result = Run(identity, plan.spec, plan.inferred, tuple(took), done, folder)
        if not (folder / "run.json").is_file():
            with new_folder(folder) as temporary:
                write_spec(plan.spec, temporary / "treadle.yaml")
                write_json(temporary / "inferred.json", plan.inferred)
                write_json(
                    temporary / "run.json",
                    {
                        **result.summary(),
                        "folders": {name: str(item.folder.relative_to(workspace.root)) for name, item in done.items()},
                    },
                )
        for step in plan.steps:
            write_json(workspace.root / "last" / f"{step.name}.json", step.parts)
        return result


def _run_of(workspace: Workspace, done: Mapping[str, Done]) -> str | None:
    """The run that registered this very result."""
    wanted = str(done["register"].folder.relative_to(workspace.root))
    for identity in reversed(workspace.runs()):
        if read_json(workspace.run(identity) / "run.json")["folders"]["register"] == wanted:
            return identity
    return None


def _do(
    step: Step, spec: Spec, project: Path, workspace: Workspace, done: Mapping[str, Done], events: Events, identity: str
) -> tuple[Done, float, bool]:
    module = stage_module(step.name)
    folder = workspace.results(step.name, step.fingerprint)
    events.stage = step.name
    if step.cached:
        events.emit(Event("stage_cached", step.name, step.why))
        return Done(decode(module.VALUE, read_json(folder / "value.json")), folder, step.fingerprint), 0.0, True
    events.emit(Event("stage_started", step.name, step.why))
    started = time.perf_counter()
    scratch = workspace.scratch(step.name, step.fingerprint)
    with new_folder(folder) as temporary:
        job = Job(spec, temporary, project, workspace.root, done, events, scratch, identity)
        value = module.run(job)
        write_json(temporary / "value.json", value)
    seconds = time.perf_counter() - started
    events.emit(Event("stage_finished", step.name, f"{seconds:.1f} s", facts={"seconds": seconds}))
    return Done(value, folder, step.fingerprint), seconds, False
