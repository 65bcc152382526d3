"""Use a model: load it by what a person types, and hold it against rows from anywhere a source can read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from treadle.core.errors import TreadleError
from treadle.core.events import Events
from treadle.core.types import Attribution
from treadle.spec.data import Data
from treadle.store.bundle import MANIFEST, Bundle, load_bundle
from treadle.store.find import find_bundle
from treadle.store.history import named, state
from treadle.store.workspace import Workspace

if TYPE_CHECKING:
    import polars as pl

    from treadle.stages.score import Scored
    from treadle.stages.values import Evaluation

BACKGROUND = 200


def find_model(workspace: Workspace | None, ref: str | Path | None = None) -> Path:
    """The folder of the bundle that ``ref`` names.

    Args:
        workspace: where to look; None knows only folders.
        ref: what `treadle.store.find.find_bundle` takes, or an alias or a version's number alone.
    """
    if ref is not None and (Path(ref) / MANIFEST).is_file():
        return Path(ref)
    if workspace is None:
        raise TreadleError("this is not a bundle", where=ref, expected=f"a folder with {MANIFEST} in it")
    if isinstance(ref, str) and "@" not in ref and (known := state(workspace)):
        model = named(workspace, None if len(known) > 1 else next(iter(known)))
        if ref in model.aliases() or ref.removeprefix("v") in model.versions:
            return find_bundle(workspace, f"{model.name}@{ref}")
    return find_bundle(workspace, ref)


def name_and_version(workspace: Workspace, ref: str) -> tuple[str, str]:
    """``NAME@VERSION`` taken apart; without a name, the model that was last worked on."""
    name, at, version = ref.rpartition("@")
    if at and name:
        return name, version
    return named(workspace, None).name, version or ref


def open_table(source: str | Path, folder: Path | None = None) -> pl.LazyFrame:
    """The rows behind a path or URL, read as the spec's ``data.source`` is; relative paths start in ``folder``."""
    import polars as pl

    from treadle.stages.ingest import sources

    data = Data(source=str(source))
    parts: list[pl.LazyFrame] = [item.scan() for item in sources(data, folder or Path.cwd())]
    return pl.concat(parts)


def collect(lazy: pl.LazyFrame, name: str) -> pl.DataFrame:
    """All rows at once; what the file has wrong is told in the one form."""
    from treadle.stages.score import readable

    with readable(name):
        return lazy.collect()


def predict_file(
    bundle: Bundle,
    source: str | Path,
    output: Path | IO[bytes],
    *,
    name: str | None = None,
    events: Events | None = None,
    **options: Any,
) -> Scored:
    """Stream a source through the model into a file; see `treadle.stages.score.score` for the options."""
    from treadle.stages.score import score

    return score(bundle.predictor, open_table(source), output, name=name or str(source), events=events, **options)


def evaluate_frame(bundle: Bundle, frame: pl.DataFrame, metrics: Sequence[str] = (), **options: Any) -> Evaluation:
    """Judge a model on rows that have the target, by default by the metrics of its run.

    Args:
        bundle: the model.
        frame: the rows.
        metrics: names.
        options: ``bootstrap``, ``slices``, ``sensitive`` and ``seed`` of `treadle.stages.evaluate.evaluate_frame`.
    """
    from treadle.stages.evaluate import evaluate_frame as judge

    names = tuple(metrics) or tuple(dict.fromkeys([bundle.facts["metric"], *bundle.facts["metrics"]]))
    return judge(bundle.predictor, frame, names, **options)


def explain_frame(
    bundle: Bundle,
    frame: pl.DataFrame,
    method: str = "shap",
    *,
    label: str | None = None,
    options: Mapping[str, Any] | None = None,
) -> Attribution:
    """Why the model says what it says of each row; see `treadle.stages.explain.explain_rows`."""
    from treadle.stages.explain import explain_rows

    return explain_rows(bundle.predictor, frame, background(bundle), method, label=label, options=options)


def background(bundle: Bundle) -> pl.DataFrame:
    """Typical rows: training rows where the run's data is still there, else the bundle's examples."""
    import polars as pl

    workspace = Workspace.around(bundle.path)
    run = str(bundle.facts.get("run"))
    if workspace is not None and run in workspace.runs():
        folders = workspace.facts_of(run)["folders"]
        data = workspace.root / folders["ingest"] / "data.parquet"
        parts = workspace.root / folders["split"] / "parts.parquet"
        if data.is_file() and parts.is_file():
            part = pl.read_parquet(parts)["part"]
            frame = pl.read_parquet(data).filter(part == "train")
            return frame.sample(min(BACKGROUND, frame.height), seed=0)
    return bundle.examples()


def load(workspace: Workspace | None, ref: str | Path | None = None) -> Bundle:
    """Find a model and load it, its checksums and its self-test included."""
    return load_bundle(find_model(workspace, ref))
