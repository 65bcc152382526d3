"""A finished stage's folder: its value, its files, and a list of them by which damage is noticed."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

from treadle.core.errors import TreadleError
from treadle.core.files import temporary_beside, write_json
from treadle.core.jsonable import decode, read_json

VALUE = "value.json"
FILES = "files.json"


def seal(folder: Path, value: Any) -> None:
    """Write the value, then the list of all files with their sizes."""
    write_json(folder / VALUE, value)
    write_json(folder / FILES, _sizes(folder))


def intact(folder: Path) -> bool:
    """Whether every file is there in its full length; a look at the folder, not at the bytes."""
    try:
        wanted = json.loads((folder / FILES).read_bytes())
        return isinstance(wanted, dict) and VALUE in wanted and _sizes(folder) == wanted
    except (OSError, ValueError):
        return False


def load(folder: Path, kind: Any) -> Any:
    """The value; None when it cannot be read."""
    try:
        return decode(kind, read_json(folder / VALUE))
    except (TreadleError, TypeError, ValueError, KeyError, AttributeError, IndexError):
        return None


def set_aside(folder: Path) -> None:
    """Take a folder away in one step, then delete it."""
    if folder.exists():
        away = temporary_beside(folder)
        folder.rename(away)
        shutil.rmtree(away, ignore_errors=True)


def _sizes(folder: Path) -> dict[str, int]:
    found = {}
    stack = [(str(folder), "")]
    while stack:
        place, prefix = stack.pop()
        with os.scandir(place) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    stack.append((entry.path, f"{prefix}{entry.name}/"))
                elif prefix or entry.name != FILES:
                    found[f"{prefix}{entry.name}"] = entry.stat(follow_symlinks=False).st_size
    return found
