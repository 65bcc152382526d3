"""The report of a finished run, made anew from the files that the run left behind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from treadle.core.errors import TreadleError
from treadle.core.jsonable import read_json
from treadle.report.run_report import write_report
from treadle.spec.read import NAME
from treadle.store.bundle import MANIFEST
from treadle.store.workspace import Workspace


def run_facts(workspace: Workspace, run: str, folder: Path | None = None) -> dict[str, Any]:
    """Everything about a run, in the form of `treadle.report.facts.RunFacts`.

    Args:
        workspace: where it ran.
        run: its id.
        folder: its folder, while that has not got its name yet.
    """
    record = workspace.facts_of(run) if folder is None else read_json(folder / "run.json")
    folder = folder or workspace.run(run)
    places = {stage: workspace.root / place for stage, place in record["folders"].items()}
    absent = [stage for stage, place in places.items() if not (place / "value.json").is_file()]
    if absent:
        raise TreadleError(
            f"the results of {absent[0]} are no longer there", where=places[absent[0]],
            remedy="`treadle run` makes them again",
        )  # fmt: skip
    manifest = read_json(places["register"] / "bundle" / MANIFEST)
    return {
        "run": run,
        "created": record.get("started", ""),
        "name": record["model"]["name"],
        "task": record["task"],
        "spec": (folder / NAME).read_text(encoding="utf-8"),
        "inferred": read_json(folder / "inferred.json"),
        "stages": record["stages"],
        "versions": {"treadle": record.get("treadle", ""), **manifest.get("versions", {})},
        "values": {stage: read_json(place / "value.json") for stage, place in places.items()},
        "code": manifest.get("code") or {},
    }


def make_report(workspace: Workspace, run: str) -> Path:
    """Write ``report.html`` into the run's folder and return its path."""
    return write_report(workspace.run(run), run_facts(workspace, run))
