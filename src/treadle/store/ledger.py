"""The ledger: an append-only, hash-chained record of every decision.

Each line holds the hash of the line before. Beside it, ``ledger.head`` holds the number of entries and the last hash,
so that a tail that was cut off is noticed as well.
"""

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
from treadle.core.files import disk_error, hash_value
from treadle.core.jsonable import dumps, encode, read_json
from treadle.store.workspace import Workspace, remember

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


def append(workspace: Workspace, what: str, facts: Mapping[str, Any]) -> Entry:
    """Write one decision; it is on the disk when this returns.

    Raises:
        TreadleError: the ledger was changed (nothing is added to a broken chain), or the disk does not take it.
    """
    with workspace.lock("ledger"):
        whole, torn = _split(_path(workspace))
        entries = _parse(workspace, whole)
        _check(workspace, entries)
        _point_to_last(workspace, entries)  # a crash may have come before the head was written
        body = {
            "number": len(entries) + 1,
            "when": datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds"),
            "who": who(),
            "what": what,
            "facts": encode(facts),
            "previous": entries[-1].hash if entries else FIRST,
        }
        entry = Entry(**body, hash=hash_value(body))
        _write(_path(workspace), len(whole), (dumps(entry) + "\n").encode(), cut=bool(torn))
        _point_to_last(workspace, [*entries, entry])
    return entry


def read(workspace: Workspace) -> list[Entry]:
    """All decisions, oldest first. A last line cut short by a crash was never acknowledged and is left out."""
    return _parse(workspace, _split(_path(workspace))[0])


def verify(workspace: Workspace) -> int:
    """Check the whole chain and its head, and return the number of entries.

    Raises:
        TreadleError: an entry was edited, removed, added or moved; with its line.
    """
    with workspace.lock("ledger"):
        entries = read(workspace)
        _check(workspace, entries)
    return len(entries)


def who() -> str:
    """The user's name as the operating system knows it, else the user's number."""
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        return f"user {os.getuid()}"


def _path(workspace: Workspace) -> Path:
    return workspace.root / "ledger.jsonl"


def _head(workspace: Workspace) -> Path:
    return workspace.root / "ledger.head"


def _split(path: Path) -> tuple[bytes, bytes]:
    """The whole lines, and what a crash left of one more."""
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return b"", b""
    except OSError as error:
        raise disk_error(error, path) from None
    end = raw.rfind(b"\n") + 1
    return raw[:end], raw[end:]


def _parse(workspace: Workspace, whole: bytes) -> list[Entry]:
    found = []
    for number, line in enumerate(whole.split(b"\n")[:-1], 1):
        try:
            found.append(Entry(**json.loads(line)))
        except (ValueError, TypeError, RecursionError):
            raise TreadleError("not a ledger entry", where=f"{_path(workspace)}:{number}") from None
    return found


def _check(workspace: Workspace, entries: list[Entry]) -> None:
    previous = FIRST
    for number, entry in enumerate(entries, 1):
        body = {key: value for key, value in encode(entry).items() if key != "hash"}
        if entry.number != number or entry.previous != previous or entry.hash != hash_value(body):
            raise TreadleError(
                f"the ledger was changed: entry {number} does not follow from the one before",
                where=f"{_path(workspace)}:{number}",
                remedy="restore the file from a backup",
            )
        previous = entry.hash
    _check_head(workspace, entries)


def _check_head(workspace: Workspace, entries: list[Entry]) -> None:
    """The head names the last entry, or the one before it when a crash came between the two writes."""
    try:
        head = read_json(_head(workspace))
        counted, last = int(head["entries"]), str(head["hash"])
    except (TreadleError, KeyError, TypeError, ValueError):
        counted, last = 0, FIRST
    hashes = [FIRST, *(entry.hash for entry in entries)]
    if counted < len(entries) - 1 or counted > len(entries) or hashes[counted] != last:
        raise TreadleError(
            f"the ledger was changed: it holds {len(entries)} entries, its head speaks of {counted}",
            where=_path(workspace),
            remedy="restore ledger.jsonl and ledger.head from a backup",
        )


def _point_to_last(workspace: Workspace, entries: list[Entry]) -> None:
    if entries:
        remember(_head(workspace), {"entries": len(entries), "hash": entries[-1].hash})


def _write(path: Path, size: int, line: bytes, *, cut: bool) -> None:
    """Add one line after ``size`` bytes, or leave the file as it was."""
    try:
        with path.open("ab", buffering=0) as handle:
            if cut:
                handle.truncate(size)
            try:
                written = handle.write(line)
                if written != len(line):
                    raise OSError(28, "No space left on device")
                os.fsync(handle.fileno())
            except OSError:
                handle.truncate(size)
                raise
    except OSError as error:
        raise disk_error(error, path) from None
