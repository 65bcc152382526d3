"""Go round once: run what has to run, take the rest from the workspace, and say what came out."""

from __future__ import annotations

import contextlib
import datetime
import secrets
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import treadle
from treadle.core.errors import TreadleError
from treadle.core.events import Event, Events
from treadle.core.files import new_folder, write_json
from treadle.core.jsonable import encode, read_json
from treadle.core.types import Inference
from treadle.flow.plan import STAGES, Plan, Step, forced, stage_module, step_for
from treadle.flow.signals import Stopper, interruptible
from treadle.flow.trouble import machine_trouble
from treadle.spec.complete import complete
from treadle.spec.read import write_spec
from treadle.spec.spec import Spec
from treadle.stages.ingest import source_fingerprint
from treadle.stages.values import Done, Job
from treadle.store import results
from treadle.store.history import state
from treadle.store.recorder import start
from treadle.store.tracking import Recorder
from treadle.store.workspace import NAME, Workspace, remember

PENDING = "pending.json"
LOCK_SECONDS = 60.0


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
        aliases: of its model version, as they are now.
        times: ISO times of its start and its end.
    """

    id: str
    spec: Spec
    inferred: tuple[Inference, ...]
    stages: tuple[Took, ...]
    done: Mapping[str, Done]
    folder: Path
    aliases: tuple[str, ...] = ()
    times: tuple[str, str] = ("", "")

    def value(self, stage: str) -> Any:
        """What a stage handed on."""
        return self.done[stage].value

    def summary(self) -> dict[str, Any]:
        """The JSON that ``treadle run --json`` ends with."""
        registered = self.value("register")
        return {
            "run": self.id,
            "model": {"name": registered.name, "version": registered.version, "aliases": list(self.aliases)},
            "task": self.spec.task,
            "metrics": encode(self.value("evaluate").metrics),
            "gates": encode(self.value("decide").gates),
            "stages": encode(self.stages),
            "report": str(self.folder / "report.html"),
            "bundle": str(self.done["register"].folder / "bundle"),
            "spec": str(self.folder / "treadle.yaml"),
            "dataset": self.value("ingest").version,
            "started": self.times[0],
            "finished": self.times[1],
            "treadle": treadle.__version__,
        }


def make_plan(spec: Spec, project: Path, events: Events, *, force: Iterable[str] = ()) -> Plan:
    """Fingerprint every stage. The data is read first when it was not read before: what is inferred rests on it."""
    workspace = Workspace(project / NAME).open()
    first = step_for("ingest", spec, {}, workspace, source_fingerprint(spec.data, project))
    going = _Round(workspace, project, events, Stopper(events))
    if first.cached and (kept := going.kept(first)) is not None:
        dataset = kept
    else:
        with _locked(workspace, events), interruptible(events), going:
            dataset = going.do(first, spec)
        first = replace(first, cached=True, why=f"read for this plan ({first.why})")
    plan = _plan(spec, project, workspace, first, dataset)
    return replace(plan, steps=tuple(forced(plan.steps, force)))


def run(spec: Spec, project: Path, events: Events, *, force: Iterable[str] = (), wait: float = LOCK_SECONDS) -> Run:
    """All stages, each from the workspace when nothing it depends on has changed.

    Args:
        spec: as read.
        project: its folder.
        events: who listens.
        force: stages to run although nothing changed, with all that rest on them.
        wait: seconds to wait for another run in this workspace.

    Raises:
        TreadleError: what is wrong with spec, data, disk or registry; finished stages are kept.
        Interrupted: by Ctrl-C or SIGTERM.
    """
    workspace = Workspace(project / NAME).open()
    wanted = list(force)
    forced((), wanted)
    with _locked(workspace, events, wait) as lock, interruptible(events) as stopper:
        going = _Round(workspace, project, events, stopper, lock)
        with going:
            return _go(going, spec, wanted)


def _go(going: _Round, spec: Spec, force: list[str]) -> Run:
    workspace = going.workspace
    first = step_for("ingest", spec, {}, workspace, source_fingerprint(spec.data, going.project))
    first = forced([first], force)[0]
    if not first.cached:
        going.open_recorder(spec)
    going.do(first, spec)
    plan = _plan(spec, going.project, workspace, first, going.done["ingest"])
    steps = forced(plan.steps, force)
    if not all(step.cached for step in steps):
        workspace.sweep()
    going.identity = _identity(workspace, steps)
    if not steps[-1].cached:
        going.open_recorder(plan.spec)
        write_json(workspace.root / PENDING, {"run": going.identity, "register": steps[-1].fingerprint})
    for step in steps[1:]:
        going.do(step, plan.spec)
    registered = going.done["register"].value
    identity = registered.run or going.identity
    model = state(workspace).get(registered.name)
    aliases = model.aliases_of(registered.version) if model else registered.aliases
    result = Run(
        identity, plan.spec, plan.inferred, tuple(going.took), dict(going.done), workspace.run(identity), aliases,
        (going.started, _now()),
    )  # fmt: skip
    if (result.folder / "run.json").is_file():
        result = _as_it_was(result)
    else:
        _write_run(going, result)
    (workspace.root / PENDING).unlink(missing_ok=True)
    for step in steps:
        remember(workspace.root / "last" / f"{step.name}.json", step.parts)
    return result


def _identity(workspace: Workspace, steps: list[Step]) -> str:
    """A fresh id, or that of a run which was broken off before it could register the very same thing."""
    with contextlib.suppress(TreadleError, TypeError, KeyError):
        pending = read_json(workspace.root / PENDING)
        unfinished = not (workspace.run(pending["run"]) / "run.json").is_file()
        if pending["register"] == steps[-1].fingerprint and unfinished:
            return str(pending["run"])
    return _new_id(datetime.datetime.now(datetime.UTC))


def _new_id(now: datetime.datetime) -> str:
    """Day, second, then milliseconds and chance: ids stand in the order of time also within a second."""
    return f"{now:%Y%m%d-%H%M%S}-{now.microsecond // 1000:03x}{secrets.token_hex(2)[:3]}"


def _as_it_was(result: Run) -> Run:
    """The same run once more: its own times."""
    with contextlib.suppress(TreadleError, TypeError, KeyError):
        record = read_json(result.folder / "run.json")
        return replace(result, times=(str(record["started"]), str(record["finished"])))
    return result


def _write_run(going: _Round, result: Run) -> None:
    """The run's folder: the completed spec, what was inferred, the summary. MLflow gets what there is to look at."""
    from treadle.flow.report import run_facts  # not needed by a run in which nothing changed
    from treadle.report.run_report import write_report

    root = going.workspace.root
    going.workspace.sweep()
    results.set_aside(result.folder)
    with new_folder(result.folder) as temporary:
        write_spec(result.spec, temporary / "treadle.yaml")
        write_json(temporary / "inferred.json", result.inferred)
        folders = {name: str(item.folder.relative_to(root)) for name, item in result.done.items()}
        write_json(temporary / "run.json", {**result.summary(), "folders": folders})
        write_report(temporary, run_facts(going.workspace, result.id, temporary), charts=True)
        shown = [temporary / "report.html", temporary / "inferred.json", *sorted((temporary / "charts").glob("*.svg"))]
        files = {path.relative_to(temporary).as_posix(): str(path) for path in shown if path.is_file()}
        going.open_recorder(result.spec).call("attach", tracking_run=result.value("register").tracking_run, files=files)


def _plan(spec: Spec, project: Path, workspace: Workspace, first: Step, dataset: Done) -> Plan:
    completed, inferred = complete(spec, dataset.value.schema, folder=project.resolve().name)
    steps = [first]
    before = {"ingest": first.fingerprint}
    for name in STAGES[1:]:
        step = step_for(name, completed, before, workspace)
        before[name] = step.fingerprint
        steps.append(step)
    return Plan(tuple(steps), completed, (*dataset.value.inferred, *inferred))


@contextlib.contextmanager
def _locked(workspace: Workspace, events: Events, wait: float = LOCK_SECONDS) -> Iterator[int]:
    with workspace.lock(wait=wait, waiting=events.message) as lock:
        yield lock


class _Round:
    """One pass over the stages: what it has done so far, and the line to tracking that it opens when needed."""

    def __init__(
        self, workspace: Workspace, project: Path, events: Events, stopper: Stopper, lock: int | None = None
    ) -> None:
        self.workspace = workspace
        self.project = project
        self.events = events
        self.stopper = stopper
        self.lock = lock
        self.identity = ""
        self.started = _now()
        self.done: dict[str, Done] = {}
        self.took: list[Took] = []
        self.recorder: Recorder | None = None

    def __enter__(self) -> _Round:
        return self

    def __exit__(self, *_: object) -> None:
        if self.recorder is not None:
            self.recorder.close()

    def open_recorder(self, spec: Spec) -> Recorder:
        """The line to tracking. It shares the lock, so that no other run begins while its process still lives."""
        if self.recorder is None:
            keep = () if self.lock is None else (self.lock,)
            self.recorder = start(self.workspace, spec.store, keep)
        return self.recorder

    def kept(self, step: Step) -> Done | None:
        """The stage's result from before, or None when it cannot be read."""
        folder = self.workspace.results(step.name, step.fingerprint)
        value = results.load(folder, stage_module(step.name).VALUE)
        return None if value is None else Done(value, folder, step.fingerprint)

    def do(self, step: Step, spec: Spec) -> Done:
        """One stage, from the workspace or anew."""
        self.events.stage = step.name
        found = self.kept(step) if step.cached else None
        if found is not None:
            self.events.emit(Event("stage_cached", step.name, step.why))
            self.took.append(Took(step.name, True, 0.0))
        else:
            found = self._run(step, spec)
        self.done[step.name] = found
        return found

    def _run(self, step: Step, spec: Spec) -> Done:
        module = stage_module(step.name)
        folder = self.workspace.results(step.name, step.fingerprint)
        scratch = self.workspace.scratch(step.name, step.fingerprint)
        recorder = self.open_recorder(spec) if step.name == "register" else None
        self.events.emit(Event("stage_started", step.name, step.why))
        self.stopper.graceful = step.name == "train" and (spec.model.tune is not None or spec.model.name == "auto")
        started = time.perf_counter()
        try:
            with new_folder(folder) as temporary:
                job = Job(
                    spec, temporary, self.project, self.workspace.root, dict(self.done), self.events, scratch,
                    self.identity, recorder,
                )  # fmt: skip
                value = module.run(job)
                results.seal(temporary, value)
                results.set_aside(folder)
        except TreadleError:
            raise
        except Exception as error:
            trouble = machine_trouble(error, self.workspace.root)
            if trouble is None:
                raise
            raise trouble from None
        finally:
            self.stopper.graceful = False
        seconds = time.perf_counter() - started
        self.events.emit(Event("stage_finished", step.name, f"{seconds:.1f} s", facts={"seconds": seconds}))
        self.took.append(Took(step.name, False, seconds))
        return Done(value, folder, step.fingerprint)


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
