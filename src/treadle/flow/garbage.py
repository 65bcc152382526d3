"""Give back the space of results that nothing refers to any more."""

from __future__ import annotations

import shutil
from pathlib import Path

from treadle.core.errors import TreadleError
from treadle.store.history import state
from treadle.store.workspace import Workspace


def collect_garbage(workspace: Workspace, *, keep_runs: int = 3) -> int:
    """Delete stage results and checkpoints that neither the last runs nor a model with an alias need.

    The records of runs stay, and so do all registered bundles among MLflow's artifacts.

    Args:
        workspace: to clean.
        keep_runs: how many of the latest runs keep all their results.

    Returns:
        The number of bytes freed (files that MLflow's artifacts share count too, though they stay).
    """
    if keep_runs < 1:
        raise TreadleError(f"got {keep_runs} runs to keep", expected="at least 1")
    with workspace.lock():
        workspace.sweep()
        kept = _needed(workspace, keep_runs)
        freed = 0
        for area in ("cache", "scratch"):
            for folder in (workspace.root / area).glob("*/*"):
                if str(folder.relative_to(workspace.root)).removeprefix("scratch/") not in kept:
                    freed += sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
                    shutil.rmtree(folder, ignore_errors=True)
    return freed


def _needed(workspace: Workspace, keep_runs: int) -> set[str]:
    kept: set[str] = set()
    for run in workspace.runs()[-keep_runs:]:
        folders = workspace.facts_of(run)["folders"].values()
        kept |= {str(folder) for folder in folders} | {str(folder).removeprefix("cache/") for folder in folders}
    for model in state(workspace).values():
        for version in model.aliases().values():
            kept.add(str(Path(model.versions[version]["bundle"]).parent))
    return kept
