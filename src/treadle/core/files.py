"""Files written whole or not at all, paths that stay inside their folder, and content hashes."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import shutil
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from treadle.core.errors import TreadleError
from treadle.core.jsonable import dumps

CHUNK = 1024 * 1024


def disk_error(error: OSError, where: object) -> TreadleError:
    """What the operating system said, as the one clear error."""
    reasons = {
        errno.ENOSPC: ("the disk is full", "free some space, then run the same command again"),
        errno.EDQUOT: ("the disk quota is used up", "free some space, then run the same command again"),
        errno.EACCES: ("permission denied", "check the owner and the mode of the file or folder"),
        errno.EPERM: ("operation not permitted", "check the owner and the mode of the file or folder"),
        errno.EROFS: ("the file system is read-only", "choose a folder that can be written to"),
        errno.EISDIR: ("this is a folder, not a file", "name a file"),
        errno.ENOENT: ("no such file or folder", "check the path"),
        errno.ENOTDIR: ("a part of this path is a file, not a folder", "check the path"),
    }
    problem, remedy = reasons.get(error.errno or 0, (error.strerror or str(error), None))
    return TreadleError(problem, where=where, remedy=remedy)


def temporary_beside(path: Path) -> Path:
    """A fresh hidden name beside ``path``; it bears the process's id, so that what a dead one left is known."""
    return path.with_name(f".{path.name}.{os.getpid()}-{uuid.uuid4().hex[:8]}.tmp")


@contextlib.contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """A temporary path beside ``path``; it takes the name only when the block ends well."""
    temporary = temporary_beside(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        with temporary.open("rb+") as handle:
            os.fsync(handle.fileno())
        temporary.replace(path)
    except OSError as error:
        raise disk_error(error, path) from error
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Replace the file by ``text`` in one step."""
    with new_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Replace the file by the JSON of ``value``, indented, with sorted keys."""
    write_text(path, dumps(value, indent=2) + "\n")


@contextlib.contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """A temporary folder beside ``path``; it takes the name only when the block ends well.

    A folder that another process finished in the meantime is kept, and ours is dropped: both hold the same.
    """
    temporary = temporary_beside(path)
    try:
        temporary.mkdir(parents=True)
        yield temporary
        try:
            temporary.rename(path)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
    except OSError as error:
        raise disk_error(error, error.filename or path) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def inside(folder: Path, name: str) -> Path:
    """The path of ``name`` in ``folder``; names that lead out of it (``..``, absolute, links) are refused."""
    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()):
        raise TreadleError(f"the path {name!r} leads out of its folder", where=folder)
    return path


def hash_file(path: Path) -> str:
    """SHA-256 of the file's bytes, as hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as handle:
        while chunk := handle.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def hash_files(paths: Sequence[Path], memory: Path) -> list[str]:
    """SHA-256 of each file's bytes, remembered in the JSON file ``memory``.

    A file is known again by its path, inode, size and times of change. What changed within the last two seconds is not
    remembered: a second change could hide in the same tick of the file system's clock.
    """
    known: dict[str, Any] = {}
    with contextlib.suppress(OSError, ValueError):
        loaded = json.loads(memory.read_bytes())
        known = loaded if isinstance(loaded, dict) else {}
    found, fresh = [], {}
    for path in paths:
        stat = path.stat()
        name = str(path.resolve())
        state = [stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns]
        entry = known.get(name)
        if isinstance(entry, dict) and entry.get("state") == state:
            found.append(str(entry["sha256"]))
            continue
        found.append(hash_file(path))
        if time.time() - max(stat.st_mtime, stat.st_ctime) > 2.0:
            fresh[name] = {"state": state, "sha256": found[-1]}
    if fresh and memory.parent.is_dir() and os.access(memory.parent, os.W_OK):
        write_json(memory, {**known, **fresh})
    return found


def hash_content(hashes: Mapping[str, str]) -> str:
    """One hash for some files, by name: of a single file its own (the name does not matter), else of all in order."""
    found = sorted(hashes.items())
    return found[0][1] if len(found) == 1 else hash_value(found)


def hash_value(value: Any) -> str:
    """SHA-256 of the canonical JSON of ``value``, as hexadecimal."""
    return hashlib.sha256(dumps(value).encode()).hexdigest()


def files_below(folder: Path) -> list[Path]:
    """All regular files below ``folder``, sorted by relative path; links are refused."""
    found = []
    for path in sorted(folder.rglob("*")):
        if path.is_symlink():
            raise TreadleError("a symbolic link has no place here", where=path)
        if path.is_file():
            found.append(path)
    return found
