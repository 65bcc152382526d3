"""What the ledger tells of each model: its versions, who served, who serves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from treadle.core.errors import TreadleError, did_you_mean, listing
from treadle.store import ledger
from treadle.store.tracking import CHALLENGER, CHAMPION, PREVIOUS
from treadle.store.workspace import Workspace

REGISTER, PROMOTE, ROLLBACK = "register", "promote", "rollback"


@dataclass
class Model:
    """What the ledger says of one model.

    Attributes:
        name: in the registry.
        versions: facts of each registered version, oldest first, by version.
        champions: versions that served, the present one last; a rollback takes it off.
        challenger: the newest version that never served, or None.
    """

    name: str
    versions: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    champions: list[str] = field(default_factory=list)
    challenger: str | None = None

    @property
    def champion(self) -> str | None:
        """The version that serves."""
        return self.champions[-1] if self.champions else None

    def aliases(self) -> dict[str, str]:
        """Version by alias."""
        found = {CHALLENGER: self.challenger, CHAMPION: self.champion}
        if len(self.champions) > 1:
            found[PREVIOUS] = self.champions[-2]
        return {alias: version for alias, version in found.items() if version is not None}

    def aliases_of(self, version: str) -> tuple[str, ...]:
        """The aliases that point to a version."""
        return tuple(sorted(alias for alias, other in self.aliases().items() if other == version))


def state(workspace: Workspace) -> dict[str, Model]:
    """All models by name, as the ledger tells their history."""
    found: dict[str, Model] = {}
    for entry in ledger.read(workspace):
        if entry.what not in (REGISTER, PROMOTE, ROLLBACK):
            continue
        facts = entry.facts
        model = found.setdefault(facts["model"], Model(facts["model"]))
        version = str(facts["version"])
        if entry.what == REGISTER:
            model.versions[version] = {**facts, "when": entry.when}
            model.challenger = version
            model.champions = [other for other in model.champions if other != version]
            continue
        model.versions.setdefault(version, {**facts, "when": entry.when})
        if entry.what == ROLLBACK:
            del model.champions[-1:]
        if model.champion != version:
            model.champions.append(version)
        if model.challenger == version:
            model.challenger = None
    return found


def named(workspace: Workspace, name: str | None) -> Model:
    """The model of that name; without a name the only one, or the one that was last promoted or registered."""
    known = state(workspace)
    if name is None and known:
        last = [entry for entry in ledger.read(workspace) if entry.what in (REGISTER, PROMOTE, ROLLBACK)][-1]
        return known[last.facts["model"]]
    if name not in known:
        hint = did_you_mean(str(name), known) if name else ""
        raise TreadleError(
            f"there is no model {name!r}{hint}" if name else "no model was registered yet",
            where=workspace.root,
            expected=f"one of {listing(known)}" if known else None,
            remedy=None if known else "run `treadle run` first",
        )
    return known[str(name)]
