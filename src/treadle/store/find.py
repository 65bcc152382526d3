"""From what a person types to a bundle, and from a bundle back to everything that made it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from treadle.core.errors import TreadleError, did_you_mean, listing
from treadle.core.jsonable import encode
from treadle.store import ledger
from treadle.store.bundle import MANIFEST, read_manifest, verify_bundle
from treadle.store.history import Model, named, state
from treadle.store.recorder import SETTINGS, connect
from treadle.store.workspace import Workspace


def find_bundle(workspace: Workspace, ref: str | Path | None = None) -> Path:
    """The folder of a bundle.

    Args:
        workspace: where to look.
        ref: None for the champion (the newest model where nothing was promoted), a folder, the beginning of a run's
            id, ``NAME@VERSION`` or ``NAME@ALIAS`` (``@ALIAS`` alone for the model of this workspace).

    Raises:
        TreadleError: nothing there bears that name; what does is listed.
    """
    if ref is None:
        found = champion(workspace)
        return Path(found["folder"]) if found else _newest(workspace)
    text = str(ref)
    if (Path(text) / MANIFEST).is_file():
        return Path(text)
    name, at, version = text.rpartition("@")
    if at:
        known = state(workspace)
        if not name and len(known) == 1:
            name = next(iter(known))
        return Path(version_of(workspace, name, version)["folder"])
    if isinstance(ref, Path) or "/" in text:
        raise TreadleError("this is not a bundle", where=text, expected=f"a folder with {MANIFEST} in it")
    return _of_run(workspace, workspace.find_run(text))


def champion(workspace: Workspace, name: str | None = None) -> dict[str, Any] | None:
    """The version that serves: ``name``, ``version``, ``run``, ``digest``, ``folder`` and ``facts`` (the bundle's
    manifest); None when no model was promoted. MLflow is not needed for it."""
    models = state(workspace)
    if name is None and not any(model.champion for model in models.values()):
        return None
    model = named(workspace, name)
    if model.champion is None:
        return None
    found = version_of(workspace, model.name, model.champion)
    return {
        "name": model.name,
        "version": found["version"],
        "run": found["run"],
        "digest": found["digest"],
        "folder": found["folder"],
        "facts": read_manifest(Path(found["folder"])),
    }


def version_of(workspace: Workspace, name: str, wanted: str) -> dict[str, Any]:
    """Facts of a registered version, with ``folder``: where its bundle lies here.

    Args:
        workspace: where to look; a shared registry is asked for what this workspace does not know.
        name: of the model.
        wanted: a version's number, an alias, or (the beginning of) a run's id.
    """
    model = state(workspace).get(name, Model(name))
    number = model.aliases().get(wanted, wanted.removeprefix("v") if wanted[1:].isdigit() else wanted)
    if number not in model.versions and len(wanted) >= 4:
        fitting = [key for key, facts in model.versions.items() if str(facts["run"]).startswith(wanted)]
        number = fitting[-1] if len(fitting) == 1 else number
    if number in model.versions:
        facts = dict(model.versions[number])
        folder = _place(workspace, facts)
        if folder is not None:
            return {**facts, "version": number, "folder": str(folder)}
    if (workspace.root / SETTINGS).is_file():
        fetched = _fetch(workspace, name, number)
        if fetched is not None:
            return fetched
    every = [*model.versions, *model.aliases()]
    raise TreadleError(
        f"there is no version {wanted!r} of {name!r}{did_you_mean(wanted, every)}",
        where=workspace.root,
        expected=f"one of {listing(every)}" if every else f"one of the models {listing(state(workspace)) or '(none)'}",
    )


def trace(workspace: Workspace, ref: str | Path | None = None) -> dict[str, Any]:
    """From a bundle (see `find_bundle`) back to what made it.

    Returns:
        ``bundle`` (folder, digest, whether its checksums hold), ``model`` (name, version, aliases, tracking run),
        ``run``, ``spec`` (text), ``code``, ``dataset``, ``split``, ``libraries``, ``metrics``, ``gates`` and ``ledger``
        (every entry that speaks of it).
    """
    folder = find_bundle(workspace, ref)
    manifest = verify_bundle(folder)
    digest, name = str(manifest["digest"]), str(manifest["name"])
    model = state(workspace).get(name, Model(name))
    version = next((key for key, facts in model.versions.items() if facts["digest"] == digest), None)
    facts = model.versions.get(version, {}) if version else {}
    spec = folder / "treadle.yaml"
    entries = [
        encode(entry)
        for entry in ledger.read(workspace)
        if entry.facts.get("digest") == digest or entry.facts.get("run") == manifest["run"]
    ]
    return {
        "bundle": {"folder": str(folder), "digest": digest, "intact": True, "made": manifest["made"]},
        "model": {
            "name": name,
            "version": version,
            "aliases": list(model.aliases_of(version)) if version else [],
            "kind": manifest["model"],
            "options": manifest["options"],
        },
        "run": manifest["run"],
        "tracking_run": facts.get("tracking_run"),
        "spec": spec.read_text(encoding="utf-8") if spec.is_file() else None,
        "code": manifest["code"],
        "dataset": manifest["dataset"],
        "split": manifest["split"],
        "libraries": manifest["versions"],
        "metrics": manifest["metrics"],
        "gates": manifest["gates"],
        "ledger": entries,
    }


def _newest(workspace: Workspace) -> Path:
    known = [facts for model in state(workspace).values() for facts in model.versions.values()]
    for facts in sorted(known, key=lambda item: str(item["when"]), reverse=True):
        folder = _place(workspace, facts)
        if folder is not None:
            return folder
    raise TreadleError("there is no model yet", where=workspace.root, remedy="run `treadle run` first")


def _of_run(workspace: Workspace, run: str) -> Path:
    facts = workspace.facts_of(run)
    folder = workspace.root / str(facts["folders"]["register"]) / "bundle"
    if (folder / MANIFEST).is_file():
        return folder
    model = facts["model"]
    return Path(version_of(workspace, model["name"], model["version"])["folder"])


def _place(workspace: Workspace, facts: Mapping[str, Any]) -> Path | None:
    """Where a version's bundle lies: among the stage's results, or among MLflow's artifacts."""
    for place in (facts.get("bundle"), facts.get("artifact")):
        if place and (workspace.root / place / MANIFEST).is_file():
            return workspace.root / str(place)
    return None


def _fetch(workspace: Workspace, name: str, version: str) -> dict[str, Any] | None:
    """A version that only the registry knows, or whose files only it has."""
    recorder = connect(workspace)
    for model in recorder.call("models", name=name):
        for item in model["versions"]:
            if item["version"] != version and version not in item["aliases"]:
                continue
            digest = item["digest"]
            folder = Path(item["source"] or "")
            if not (folder / MANIFEST).is_file():
                goal = workspace.root / "fetched" / name / item["version"]
                goal.mkdir(parents=True, exist_ok=True)
                folder = Path(recorder.call("fetch", name=name, version=item["version"], folder=str(goal)))
            manifest = read_manifest(folder)
            place = folder.relative_to(workspace.root.resolve()) if folder.is_relative_to(
                workspace.root.resolve()
            ) else folder  # fmt: skip
            return {
                "model": name,
                "version": item["version"],
                "run": manifest["run"],
                "digest": digest or manifest["digest"],
                "bundle": str(place),
                "folder": str(folder),
            }
    return None
