"""The ledger: an append-only, hash-chained record of every decision."""

from __future__ import annotations

import datetime
import getpass
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from treadle.core.errors import TreadleError
from treadle.core.files import hash_value
from treadle.core.jsonable import dumps, encode
from treadle.store.workspace import Workspace

FIRST = "0" * 64


@dataclass(frozen=True)
class Entry:
    """One decision: its number, what, when, by whom, on what evidence, and the hashes that chain it."""

    number: int
    when: str
    who: str
    what: str
    facts: Mapping[str, Any]
    previous: str
    hash: str


def _path(workspace: Workspace) -> Path:
    return workspace.root / "ledger.jsonl"


def append(workspace: Workspace, what: str, facts: Mapping[str, Any]) -> Entry:
    """Write one decision; it is on the disk when this returns."""
    with workspace.lock("ledger"):
        entries = read(workspace)
        body = {
            "number": len(entries) + 1,
            "when": datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds"),
            "who": getpass.getuser(),
            "what": what,
            "facts": encode(facts),
            "previous": entries[-1].hash if entries else FIRST,
        }
        entry = Entry(**body, hash=hash_value(body))
        with _path(workspace).open("ab") as handle:
            handle.write((dumps(entry) + "\n").encode())
            handle.flush()
            os.fsync(handle.fileno())
    return entry


def read(workspace: Workspace) -> list[Entry]:
    """All decisions, oldest first. A last line cut short by a crash was never acknowledged and is left out."""
    path = _path(workspace)
    if not path.exists():
        return []
    raw = path.read_bytes()
    whole = raw if raw.endswith(b"\n") or not raw else raw[: raw.rfind(b"\n") + 1]
    if len(whole) < len(raw):
        with path.open("rb+") as handle:
            handle.truncate(len(whole))
    found = []
    for number, line in enumerate(whole.splitlines(), 1):
        try:
            found.append(Entry(**json.loads(line)))
        except (ValueError, TypeError):
            raise TreadleError("not a ledger entry", where=f"{path}:{number}") from None
    return found


def verify(workspace: Workspace) -> int:
    """Check the whole chain and return the number of entries."""
    previous = FIRST
    entries = read(workspace)
    for number, entry in enumerate(entries, 1):
        body = {key: value for key, value in encode(entry).items() if key != "hash"}
        if entry.number != number or entry.previous != previous or entry.hash != hash_value(body):
            raise TreadleError(
                f"the ledger was changed: entry {number} does not follow from the one before",
                where=f"{_path(workspace)}:{number}",
            )
        previous = entry.hash
    return len(entries)
