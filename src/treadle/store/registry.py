"""Which model serves, and who said so. The ledger decides; the pointer file and MLflow's aliases follow from it.

A decision is written to the ledger first. A crash after that leaves the pointer or an alias behind, and the next
command that writes here brings them up to date.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from treadle.core.errors import TreadleError, listing
from treadle.core.jsonable import read_json
from treadle.store import ledger
from treadle.store.bundle import verify_bundle
from treadle.store.find import version_of
from treadle.store.history import PROMOTE, REGISTER, ROLLBACK, Model, named, state
from treadle.store.recorder import SETTINGS, connect
from treadle.store.tracking import CHALLENGER, PREVIOUS, Recorder
from treadle.store.workspace import Workspace, remember

POINTER = "champion.json"


def register(workspace: Workspace, recorder: Recorder, facts: Mapping[str, Any], *, served: str | None) -> Model:
    """Enter a new version; the first whose gates pass becomes champion at once. Doing it again changes nothing.

    Args:
        workspace: where the ledger lies.
        recorder: the line to MLflow.
        facts: ``model``, ``version``, ``run``, ``digest``, ``bundle``, ``passed``, ``metrics`` and ``gates``.
        served: the version that is champion in MLflow (perhaps put there from another workspace), or None.
    """
    name, version = str(facts["model"]), str(facts["version"])
    with workspace.lock("registry"):
        model = state(workspace).get(name, Model(name))
        known = model.versions.get(version)
        if known is None or known["digest"] != facts["digest"]:
            ledger.append(workspace, REGISTER, facts)
        model = state(workspace)[name]
        if facts["passed"] and model.champion is None and served in (None, version):
            ledger.append(workspace, PROMOTE, {**facts, "reason": "first model", "previous": None, "forced": False})
        return _follow(workspace, recorder, name)


def promote(
    workspace: Workspace, name: str, version_or_run: str, *, reason: str, force: bool = False
) -> dict[str, Any]:
    """Let a version serve.

    Args:
        workspace: where it is registered.
        name: of the model.
        version_or_run: a version's number, an alias, or (the beginning of) the id of the run that made it.
        reason: for the ledger.
        force: promote it although a gate failed; the ledger says so.

    Returns:
        ``name``, ``version``, ``aliases``, ``previous`` (a version or None), ``run``, ``digest``, ``bundle`` and
        ``changed``.

    Raises:
        TreadleError: no such version, a failed gate, a bundle that is not what was registered.
    """
    with workspace.lock("registry"):
        facts = version_of(workspace, name, version_or_run)
        folder = Path(facts["folder"])
        manifest = verify_bundle(folder)
        if manifest["digest"] != facts["digest"]:
            raise TreadleError(
                "the bundle is not the one that was registered", where=folder,
                remedy="make it anew with `treadle run --force register`",
            )  # fmt: skip
        failed = [gate for gate in manifest.get("gates", ()) if not gate["passed"]]
        if failed and not force:
            raise TreadleError(
                f"version {facts['version']} of {name} failed {listing(gate['gate'] for gate in failed)}",
                where=f"{name} version {facts['version']}",
                expected="; ".join(gate["detail"] for gate in failed if gate.get("detail")) or "every gate to pass",
                remedy="train a better model, change `evaluate.gates`, or promote it all the same with --force",
            )
        recorder = connect(workspace)
        model = state(workspace).get(name, Model(name))
        changed = model.champion != facts["version"]
        if changed:
            entry = {key: facts[key] for key in ("version", "run", "digest", "bundle")}
            evidence = {key: manifest.get(key) for key in ("metrics", "gates", "passed")}
            ledger.append(
                workspace,
                PROMOTE,
                {"model": name, **entry, **evidence, "reason": reason, "previous": model.champion,
                 "forced": bool(failed)},
            )  # fmt: skip
        return _told(_follow(workspace, recorder, name), changed)


def rollback(workspace: Workspace, name: str | None = None, *, reason: str) -> dict[str, Any]:
    """Let the champion before the present one serve again; returns the same as `promote`."""
    with workspace.lock("registry"):
        model = named(workspace, name)
        if len(model.champions) < 2:
            raise TreadleError(
                f"{model.name} has no champion before " + (f"version {model.champion}" if model.champion else "this"),
                remedy="promote a version by its number: `treadle promote VERSION`",
            )
        left, version = model.champions[-1], model.champions[-2]
        facts = version_of(workspace, model.name, version)
        if verify_bundle(Path(facts["folder"]))["digest"] != facts["digest"]:
            raise TreadleError("the bundle is not the one that was registered", where=facts["folder"])
        recorder = connect(workspace)
        entry = {key: facts[key] for key in ("version", "run", "digest", "bundle")}
        ledger.append(workspace, ROLLBACK, {"model": model.name, **entry, "reason": reason, "previous": left})
        return _told(_follow(workspace, recorder, model.name), True)


def models(workspace: Workspace, *, live: bool = False) -> list[dict[str, Any]]:
    """All registered models with their versions, newest first.

    Each version has ``version``, ``aliases``, ``run``, ``digest``, ``metrics``, ``passed`` and ``when``. In a
    workspace of its own this comes from the ledger, at once; with ``live``, or a shared registry, from MLflow, whose
    aliases are then brought up to date.
    """
    known = state(workspace)
    if not live and _own(workspace):
        return [
            {"name": model.name, "versions": [_version(model, version) for version in reversed(model.versions)]}
            for model in known.values()
        ]
    recorder = connect(workspace)
    with workspace.lock("registry"):
        for name in known:
            _follow(workspace, recorder, name)
    found: list[dict[str, Any]] = recorder.call("models")
    for item in found:
        model = known.get(item["name"], Model(item["name"]))
        for version in item["versions"]:
            facts = model.versions.get(version["version"], {})
            if facts.get("digest") == version["digest"]:
                version.update({key: facts.get(key) for key in ("metrics", "passed", "when")})
    return found


def _version(model: Model, version: str) -> dict[str, Any]:
    facts = model.versions[version]
    kept = {key: facts.get(key) for key in ("run", "digest", "metrics", "passed", "when", "tracking_run")}
    return {"version": version, "aliases": list(model.aliases_of(version)), **kept}


def _own(workspace: Workspace) -> bool:
    path = workspace.root / SETTINGS
    return not path.is_file() or read_json(path).get("tracking") == "sqlite"


def _follow(workspace: Workspace, recorder: Recorder, name: str) -> Model:
    """Bring the pointer file and MLflow's aliases to what the ledger says; needs the lock."""
    known = state(workspace)
    model = known[name]
    pointer = {
        other.name: {
            **{key: other.versions[other.champion].get(key) for key in ("version", "run", "digest", "bundle")},
            "previous": other.aliases().get(PREVIOUS),
        }
        for other in known.values()
        if other.champion is not None
    }
    remember(workspace.root / POINTER, {"format": 1, "models": pointer})
    wanted: dict[str, str | None] = dict(model.aliases())
    wanted.setdefault(CHALLENGER, None)
    if model.champion is not None:
        wanted.setdefault(PREVIOUS, None)
    there = {
        version["version"]: version["digest"]
        for item in recorder.call("models", name=name)
        for version in item["versions"]
    }
    same = {
        alias: version
        for alias, version in wanted.items()
        if version is None or there.get(version) == model.versions[version]["digest"]
    }
    if there:
        recorder.call("alias", name=name, aliases=same)
    return model


def _told(model: Model, changed: bool) -> dict[str, Any]:
    version = str(model.champion)
    facts = model.versions[version]
    return {
        "name": model.name,
        "version": version,
        "aliases": list(model.aliases_of(version)),
        "previous": model.aliases().get(PREVIOUS),
        "run": facts["run"],
        "digest": facts["digest"],
        "bundle": facts["bundle"],
        "changed": changed,
    }
