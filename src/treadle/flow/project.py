"""The facade: one object with the verbs of the command line. It holds no logic of its own.

project = treadle.open("delays")
run = project.run()
run.evaluation.metrics["roc_auc"].value
run.model.predict(frame)
project.champion().explain(frame)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from treadle.core.errors import TreadleError
from treadle.core.events import Events
from treadle.core.jsonable import decode, read_json
from treadle.spec.read import NAME, find_spec, read_spec
from treadle.store.workspace import Workspace

if TYPE_CHECKING:
    import polars as pl

    from treadle.core.types import Attribution
    from treadle.flow.check import Checked
    from treadle.flow.plan import Plan
    from treadle.spec.spec import Spec
    from treadle.stages.compare import Comparison
    from treadle.stages.score import Scored
    from treadle.stages.values import Decision, Evaluation, Explanation, Quality
    from treadle.store.bundle import Bundle
    from treadle.store.ledger import Entry


def open_project(path: str | Path = ".") -> Project:
    """The project in a folder (or of a spec file); it must hold ``treadle.yaml``."""
    return Project(find_spec(Path(path)))


def find_project(folder: Path | None) -> Project:
    """The project in ``folder``, or, when none is named, the nearest one from the current folder upward."""
    if folder is not None:
        return open_project(folder)
    here = Path.cwd()
    for place in (here, *here.parents):
        if (place / NAME).is_file():
            return Project(place / NAME)
    return open_project(here)


class Project:
    """A spec, its data and its workspace.

    Attributes:
        file: the spec's file.
        folder: where it lies; relative paths in the spec start there.
        workspace: ``.treadle`` beside it.
    """

    def __init__(self, file: Path) -> None:
        self.file = file.resolve()
        self.folder = self.file.parent
        self.workspace = Workspace(self.folder / ".treadle")

    def __repr__(self) -> str:
        return f"treadle.open({str(self.folder)!r})"

    def spec(self, overrides: Sequence[str] = ()) -> Spec:
        """The spec as written, with ``KEY=VALUE`` overrides laid over it; all that it names is known to be there."""
        from treadle.flow.check import check_names

        spec = read_spec(self.file, overrides)
        check_names(spec)
        return spec

    # -- making a model

    def check(self, overrides: Sequence[str] = (), *, events: Events | None = None) -> Checked:
        """Spec and data held against each other, before anything is trained; every mistake is raised."""
        from treadle.flow.check import check

        return check(self.spec(overrides), self.folder, events or Events())

    def plan(self, overrides: Sequence[str] = (), *, force: Sequence[str] = (), events: Events | None = None) -> Plan:
        """What would run and why, and what was inferred from what."""
        from treadle.flow.run import make_plan

        return make_plan(self.spec(overrides), self.folder, events or Events(), force=force)

    def run(
        self, overrides: Sequence[str] = (), *, force: Sequence[str] = (), events: Events | None = None
    ) -> FinishedRun:
        """Data to a trained, judged, explained, registered model; what has not changed is not done again.

        Args:
            overrides: ``model.options.max_depth=8`` and the like.
            force: stages to run even if nothing changed.
            events: who listens to the progress.
        """
        from treadle.flow.run import run

        done = run(self.spec(overrides), self.folder, events or Events(), force=force)
        return FinishedRun(self, done.id, done.summary())

    # -- looking at runs

    def runs(self) -> list[FinishedRun]:
        """All finished runs, oldest first."""
        return [FinishedRun(self, name) for name in self.workspace.runs()]

    def show(self, run: str | None = None) -> FinishedRun:
        """One run, by its id or the beginning of it; the latest when none is named."""
        known = self.workspace.runs()
        if not known:
            raise TreadleError("there are no runs here yet", where=self.folder, remedy="run `treadle run` first")
        return FinishedRun(self, known[-1] if run in (None, "latest") else self.workspace.find_run(str(run)))

    def compare(self, one: str, two: str) -> Comparison:
        """Whether one run is better than another on the rows that both were judged on; a paired bootstrap."""
        from treadle.stages.compare import compare_runs

        return compare_runs(self.workspace, self.show(one).id, self.show(two).id)

    # -- using a model

    def model(self, ref: str | Path | None = None) -> LoadedModel:
        """A model, by alias, version, run or folder; by default the champion."""
        from treadle.flow.use import load

        return LoadedModel(load(self.workspace, ref))

    def champion(self) -> LoadedModel:
        """The model that serves."""
        return self.model()

    def predict(self, rows: Any, output: str | Path | None = None, *, model: str | None = None, **options: Any) -> Any:
        """Predictions of a frame, or of a file; a file is streamed into ``output`` where that is given."""
        loaded = self.model(model)
        if output is not None:
            return loaded.predict_file(rows, output, **options)
        return loaded.predict(rows)

    def evaluate(self, rows: Any, *, model: str | None = None, **options: Any) -> Evaluation:
        """The model judged on rows that have the target; ``rows`` is a frame, a path or a URL."""
        return self.model(model).evaluate(rows, **options)

    def explain(self, rows: Any, *, model: str | None = None, **options: Any) -> Attribution:
        """Why the model says what it says of each row; ``rows`` is a frame, a path or a URL."""
        return self.model(model).explain(rows, **options)

    # -- the registry

    def models(self) -> list[dict[str, Any]]:
        """All registered models with their versions, the newest first."""
        from treadle.store.registry import models

        return models(self.workspace)

    def promote(self, ref: str, *, reason: str = "by hand", force: bool = False) -> dict[str, Any]:
        """Let a version serve; one that failed a gate is refused unless ``force`` is given."""
        from treadle.flow.use import name_and_version
        from treadle.store.registry import promote

        return promote(self.workspace, *name_and_version(self.workspace, ref), reason=reason, force=force)

    def rollback(self, name: str | None = None, *, reason: str = "by hand") -> dict[str, Any]:
        """Let the champion before the present one serve again."""
        from treadle.store.registry import rollback

        return rollback(self.workspace, name, reason=reason)

    def trace(self, ref: str | Path | None = None) -> dict[str, Any]:
        """From a model back to its run, spec, code, data and decisions."""
        from treadle.flow.use import find_model
        from treadle.store.find import trace

        return trace(self.workspace, find_model(self.workspace, ref))

    def ledger(self, *, verify: bool = False) -> list[Entry]:
        """All decisions, oldest first; with ``verify`` the whole chain is checked."""
        from treadle.store import ledger

        if verify:
            ledger.verify(self.workspace)
        return ledger.read(self.workspace)


class FinishedRun:
    """One run: what went in, what came out, and its model.

    Attributes:
        project: it belongs to.
        id: its name in the workspace.
    """

    def __init__(self, project: Project, identity: str, summary: Mapping[str, Any] | None = None) -> None:
        self.project = project
        self.id = identity
        self.folder = project.workspace.run(identity)
        self._summary = summary

    def __repr__(self) -> str:
        return f"<run {self.id}>"

    @cached_property
    def record(self) -> dict[str, Any]:
        """What was written down when the run ended: its summary and where each stage's files lie."""
        return self.project.workspace.facts_of(self.id)

    def summary(self) -> dict[str, Any]:
        """The object that ``treadle run --json`` ends with; ``stages`` tells how this very call went."""
        if self._summary is not None:
            return dict(self._summary)
        return {key: value for key, value in self.record.items() if key != "folders"}

    def stage(self, name: str) -> Path:
        """The folder with the files of a stage."""
        return self.project.workspace.root / str(self.record["folders"][name])

    def value(self, name: str) -> Any:
        """What a stage handed on."""
        from treadle.flow.plan import stage_module

        return decode(stage_module(name).VALUE, read_json(self.stage(name) / "value.json"))

    @property
    def spec(self) -> str:
        """The completed spec, as YAML text."""
        return (self.folder / NAME).read_text(encoding="utf-8")

    @property
    def inferred(self) -> list[dict[str, Any]]:
        """What the spec left out: ``path``, ``value`` and ``reason`` of each value that was filled in."""
        return list(read_json(self.folder / "inferred.json"))

    @cached_property
    def quality(self) -> Quality:
        """What was found in the data."""
        return self.value("validate")  # type: ignore[no-any-return]

    @cached_property
    def evaluation(self) -> Evaluation:
        """Metrics with intervals, baseline, slices, fairness, curves."""
        return self.value("evaluate")  # type: ignore[no-any-return]

    @property
    def metric(self) -> str | None:
        """The metric that decides; None where the evaluation's files are no longer there."""
        return self.evaluation.metric if (self.stage("evaluate") / "value.json").is_file() else None

    @cached_property
    def explanation(self) -> Explanation:
        """Why the model says what it says."""
        return self.value("explain")  # type: ignore[no-any-return]

    @cached_property
    def decision(self) -> Decision:
        """The gates and their evidence."""
        return self.value("decide")  # type: ignore[no-any-return]

    @property
    def bundle(self) -> Path:
        """The folder that is deployed."""
        return self.stage("register") / "bundle"

    @property
    def report(self) -> Path:
        """The report, one HTML file."""
        return self.folder / "report.html"

    def written_report(self) -> Path:
        """The report; it is written when it is not there."""
        if not self.report.is_file():
            from treadle.flow.report import make_report

            make_report(self.project.workspace, self.id)
        return self.report

    @cached_property
    def model(self) -> LoadedModel:
        """The model, ready to predict."""
        return LoadedModel.load(self.bundle)


class LoadedModel:
    """A model from a bundle. Rows may be a polars or pandas frame, columns or rows as dictionaries, a path or a URL.

    Attributes:
        bundle: where it came from, with its facts, schema and baseline.
    """

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle

    def __repr__(self) -> str:
        return f"<{self.bundle.predictor.model_name} from {self.bundle.path}>"

    @classmethod
    def load(cls, folder: str | Path) -> LoadedModel:
        """Load a bundle's folder: checksums, structure and self-test included."""
        from treadle.store.bundle import load_bundle

        return cls(load_bundle(Path(folder)))

    def predict(self, rows: Any) -> pl.DataFrame:
        """``prediction`` and what belongs to it, one row a row; see `treadle.core.predictor.Predictor.predict`."""
        return self.bundle.predict(as_polars(rows))

    def predict_file(self, source: str | Path, output: str | Path, **options: Any) -> Scored:
        """Stream a file through the model; see `treadle.stages.score.score` for the options."""
        from treadle.flow.use import predict_file

        return predict_file(self.bundle, source, Path(output), **options)

    def evaluate(self, rows: Any, metrics: Sequence[str] = (), **options: Any) -> Evaluation:
        """Metrics with intervals, slices and more on rows that have the target; by default the metrics of the run."""
        from treadle.flow.use import evaluate_frame

        return evaluate_frame(self.bundle, as_polars(rows), metrics, **options)

    def explain(self, rows: Any, method: str = "shap", **options: Any) -> Attribution:
        """Why the model says what it says of each row, in the user's own columns."""
        from treadle.flow.use import explain_frame

        return explain_frame(self.bundle, as_polars(rows), method, **options)


def as_polars(frame: Any) -> pl.DataFrame:
    """A polars frame of any table a user may have in memory.

    Args:
        frame: a polars DataFrame or LazyFrame, a pandas DataFrame, an Arrow table, a mapping from column to values,
            a list of mappings, one a row, or the path or URL of a table.
    """
    import polars as pl

    if isinstance(frame, str | Path):
        from treadle.flow.use import collect, open_table

        return collect(open_table(frame), str(frame))
    if isinstance(frame, pl.DataFrame):
        return frame
    if isinstance(frame, pl.LazyFrame):
        return frame.collect()
    library = type(frame).__module__.partition(".")[0]
    try:
        if library == "pandas":
            found = pl.from_pandas(frame)
        elif hasattr(frame, "__arrow_c_stream__") or isinstance(frame, Mapping | list | tuple):
            found = pl.DataFrame(frame)
        else:
            raise TreadleError(
                f"{type(frame).__name__} is not a table", expected="a polars or pandas frame, or rows as dictionaries"
            )
    except (pl.exceptions.PolarsError, TypeError, ValueError, OverflowError) as error:
        raise TreadleError(f"the table cannot be read: {error}") from None
    return found if isinstance(found, pl.DataFrame) else found.to_frame()
