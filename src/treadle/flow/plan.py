"""What would run, and why: every stage's fingerprint, held against what is already there."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from types import ModuleType
from typing import Any

from treadle.core import registry
from treadle.core.errors import TreadleError, did_you_mean, listing
from treadle.core.files import hash_value
from treadle.core.jsonable import encode, read_json
from treadle.core.types import Inference
from treadle.flow.code import code_version
from treadle.spec.spec import Spec
from treadle.store import results
from treadle.store.tracking import database
from treadle.store.versions import versions_of
from treadle.store.workspace import Workspace

STAGES = ("ingest", "validate", "split", "train", "evaluate", "explain", "decide", "register")
LIBRARIES = ("numpy", "polars", "scikit-learn")
LIST_LIMIT = 80


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
    leaves = tuple(module.leaves(spec))
    parts: dict[str, Any] = {
        "spec": encode(module.settings(spec)),
        "inputs": {stage: before[stage] for stage in module.INPUTS},
        "code": code_version(name, leaves),
        "libraries": _libraries(leaves),
    }
    if data is not None:
        parts["data"] = data
    fingerprint = hash_value([name, parts])
    folder = workspace.results(name, fingerprint)
    damage = _damage(name, spec, workspace, fingerprint)
    cached = not damage
    why = _why(name, parts, cached, workspace)
    return Step(name, fingerprint, cached, damage if damage and folder.is_dir() else why, parts)


def forced(steps: Iterable[Step], wanted: Iterable[str]) -> list[Step]:
    """The steps with those that are asked for, and all that rest on them, marked to run."""
    asked = set(wanted)
    for name in asked - set(STAGES):
        raise TreadleError(
            f"there is no stage {name!r}{did_you_mean(name, STAGES)}", where="--force",
            expected=f"one of {listing(STAGES)}",
        )  # fmt: skip
    again: set[str] = set()
    found = []
    for step in steps:
        above = [name for name in stage_module(step.name).INPUTS if name in again]
        if step.name in asked or above:
            again.add(step.name)
            why = "asked for" if step.name in asked else f"{listing(above)} runs again"
            step = replace(step, cached=False, why=why if step.cached else step.why)
        found.append(step)
    return found


def _damage(name: str, spec: Spec, workspace: Workspace, fingerprint: str) -> str:
    """What keeps a result from being used; an empty text for a good one."""
    folder = workspace.results(name, fingerprint)
    if not results.intact(folder):
        return "its result was damaged"
    if name == "register" and spec.store.tracking == "sqlite" and not database(workspace.root).is_file():
        return "the tracking database is gone"
    return ""


@cache
def _libraries(leaves: tuple[tuple[str, str], ...]) -> dict[str, str]:
    wanted = set(LIBRARIES)
    for group, name in leaves:
        wanted.update(getattr(getattr(registry.load(group, name), "tags", None), "requires", ()))
    return versions_of(wanted)


def _why(name: str, parts: Mapping[str, Any], cached: bool, workspace: Workspace) -> str:
    old = last_parts(name, workspace)
    if cached:
        return "nothing changed" if old == encode(parts) else "a run with the same inputs"
    if old is None:
        return "never run"
    changes = []
    for key, label in (("data", "the data"), ("code", "Treadle's code")):
        if old.get(key) != encode(parts.get(key)):
            changes.append(f"{label} changed")
    for key in ("spec", "libraries"):
        changes += [
            f"{path}: {_short(one)} -> {_short(two)}"
            for path, one, two in _differences(old.get(key), encode(parts[key]), "" if key == "spec" else key)
        ]
    known = old.get("inputs") or {}
    upstream = [stage for stage, value in parts["inputs"].items() if known.get(stage) != value]
    if upstream:
        changes.append(f"{listing(upstream)} changed")
    return "; ".join(changes) or "its result was removed"


def last_parts(name: str, workspace: Workspace) -> dict[str, Any] | None:
    """What a stage's fingerprint was made of in the last finished run; None where nobody knows."""
    path = workspace.root / "last" / f"{name}.json"
    with contextlib.suppress(TreadleError):
        if path.is_file() and isinstance(found := read_json(path), dict):
            return found
    return None


def _short(value: Any) -> str:
    text = "nothing" if value is None else repr(value)
    return text if len(text) <= LIST_LIMIT else f"{text[: LIST_LIMIT - 3]}..."


def _differences(old: Any, new: Any, path: str = "") -> list[tuple[str, Any, Any]]:
    if isinstance(old, dict) and isinstance(new, dict):
        found = []
        for key in sorted(set(old) | set(new)):
            found += _differences(old.get(key), new.get(key), f"{path}.{key}" if path else key)
        return found
    return [] if old == new else [(path or "settings", old, new)]
