"""What would run, and why: every stage's fingerprint, held against what is already there."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import ModuleType
from typing import Any

import treadle
from treadle.core import registry
from treadle.core.files import hash_file, hash_value
from treadle.core.jsonable import encode, read_json
from treadle.core.types import Inference
from treadle.spec.spec import Spec
from treadle.store.workspace import Workspace

STAGES = ("ingest", "validate", "split", "train", "evaluate", "explain", "decide", "register")
LIBRARIES = ("numpy", "polars", "scikit-learn")


@dataclass(frozen=True)
class Step:
    """One stage of a plan.

    Attributes:
        name: the stage.
        fingerprint: of everything it depends on.
        cached: whether its result is already there.
        why: what changed since the last run, or that nothing did.
        parts: what the fingerprint is made of.
    """

    name: str
    fingerprint: str
    cached: bool
    why: str
    parts: Mapping[str, Any]


@dataclass(frozen=True)
class Plan:
    """All stages in order, with the completed spec and what was inferred."""

    steps: tuple[Step, ...]
    spec: Spec
    inferred: tuple[Inference, ...]


def stage_module(name: str) -> ModuleType:
    """The module of a stage."""
    return importlib.import_module(f"treadle.stages.{name}")


def step_for(name: str, spec: Spec, before: Mapping[str, str], workspace: Workspace, data: str | None = None) -> Step:
    """Fingerprint one stage.

    Args:
        name: the stage.
        spec: completed (as read, for ``ingest``).
        before: fingerprints of the stages before it.
        workspace: where results lie.
        data: fingerprint of the sources, for ``ingest``.
    """
    module = stage_module(name)
    leaves = module.leaves(spec)
    parts: dict[str, Any] = {
        "spec": encode(module.settings(spec)),
        "inputs": {stage: before[stage] for stage in module.INPUTS},
        "code": _code(name, tuple(leaves)),
        "libraries": _libraries(tuple(leaves)),
    }
    if data is not None:
        parts["data"] = data
    fingerprint = hash_value([name, parts])
    cached = (workspace.results(name, fingerprint) / "value.json").is_file()
    return Step(name, fingerprint, cached, _why(name, parts, cached, workspace), parts)


@cache
def _code(stage: str, leaves: tuple[tuple[str, str], ...]) -> str:
    root = Path(treadle.__file__).parent
    files = [*sorted((root / "core").glob("*.py")), root / "stages" / f"{stage}.py"]
    files += [file for group, name in leaves if (file := registry.file_of(group, name))]
    return hash_value([hash_file(file) for file in files])


@cache
def _libraries(leaves: tuple[tuple[str, str], ...]) -> dict[str, str]:
    wanted = set(LIBRARIES)
    for group, name in leaves:
        wanted.update(getattr(getattr(registry.load(group, name), "tags", None), "requires", ()))
    found = {}
    for library in sorted(wanted):
        try:
            found[library] = version(library)
        except PackageNotFoundError:
            continue
    return found


def _why(name: str, parts: Mapping[str, Any], cached: bool, workspace: Workspace) -> str:
    last = workspace.root / "last" / f"{name}.json"
    if cached:
        return (
            "nothing changed" if last.is_file() and read_json(last) == encode(parts) else "a run with the same inputs"
        )
    if not last.is_file():
        return "never run"
    old = read_json(last)
    changes = []
    for key, label in (("data", "the data"), ("code", "Treadle's code"), ("libraries", "libraries")):
        if old.get(key) != encode(parts.get(key)):
            changes.append(f"{label} changed")
    changes += [
        f"{path}: {one!r} -> {two!r}" for path, one, two in _differences(old.get("spec"), encode(parts["spec"]))
    ]
    upstream = [stage for stage, value in parts["inputs"].items() if old.get("inputs", {}).get(stage) != value]
    if upstream:
        changes.append(f"{', '.join(upstream)} changed")
    return "; ".join(changes) or "its result was removed"


def _differences(old: Any, new: Any, path: str = "") -> list[tuple[str, Any, Any]]:
    if isinstance(old, dict) and isinstance(new, dict):
        found = []
        for key in sorted(set(old) | set(new)):
            found += _differences(old.get(key), new.get(key), f"{path}.{key}" if path else key)
        return found
    return [] if old == new else [(path, old, new)]
