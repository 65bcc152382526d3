"""The workspace: ``.treadle/`` beside the spec. Whatever is in it was written whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from treadle.core.errors import TreadleError, did_you_mean, listing
from treadle.core.files import disk_error, hash_file, write_json
from treadle.core.jsonable import encode, read_json

FORMAT = 1
NAME = ".treadle"
STALE_SECONDS = 24 * 3600


class Workspace:
    """Paths and locks of one workspace; it is made when it is first written to."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @classmethod
    def around(cls, path: Path) -> Workspace | None:
        """The workspace that ``path`` lies in, or None."""
        for folder in path.resolve().parents:
            if folder.name == NAME and (folder / "workspace.json").is_file():
                return cls(folder)
        return None

    def open(self) -> Workspace:
        """Make the folder and check its format."""
        marker = self.root / "workspace.json"
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            if not marker.exists():
                write_json(marker, {"format": FORMAT})
            if not (self.root / ".gitignore").exists():
                (self.root / ".gitignore").write_text("*\n")
        except OSError as error:
            raise disk_error(error, self.root) from None
        data = read_json(marker)
        found = data.get("format") if isinstance(data, dict) else None
        if found != FORMAT:
            newer = isinstance(found, int) and found > FORMAT
            raise TreadleError(
                f"the workspace has format {found}, this Treadle reads {FORMAT}",
                where=self.root,
                remedy="pip install --upgrade treadle" if newer else "move the folder away and run again",
            )
        return self

    def results(self, stage: str, fingerprint: str) -> Path:
        """The folder of a finished stage."""
        return self.root / "cache" / stage / fingerprint[:32]

    def scratch(self, stage: str, fingerprint: str) -> Path:
        """A folder for checkpoints that survives a crash."""
        return self.root / "scratch" / stage / fingerprint[:32]

    def run(self, run: str) -> Path:
        """The folder of a run."""
        if not run or any(letter in run for letter in "/\\") or run.startswith("."):
            raise TreadleError(f"{run!r} is not a run's id")
        return self.root / "runs" / run

    def runs(self) -> list[str]:
        """Ids of the finished runs, oldest first."""
        folder = self.root / "runs"
        if not folder.is_dir():
            return []
        return sorted(path.name for path in folder.iterdir() if (path / "run.json").is_file())

    def find_run(self, prefix: str) -> str:
        """The run whose id begins with ``prefix``; ``latest`` is the last one, ``latest~1`` the one before it.

        Raises:
            TreadleError: no run, or more than one.
        """
        known = self.runs()
        back = re.fullmatch(r"latest(?:~(\d+))?", prefix)
        if back and int(back[1] or 0) < len(known):
            return known[-1 - int(back[1] or 0)]
        found = [prefix] if prefix in known else [run for run in known if run.startswith(prefix)]
        if len(found) == 1:
            return found[0]
        if found:
            raise TreadleError(f"{prefix!r} fits {len(found)} runs: {listing(found, 5)}", remedy="give more letters")
        raise TreadleError(
            f"there is no run {prefix!r}{did_you_mean(prefix, known)}",
            where=self.root,
            expected=f"one of {listing(reversed(known), 8)}" if known else None,
            remedy=None if known else "run `treadle run` first",
        )

    def facts_of(self, run: str) -> dict[str, Any]:
        """What ``run.json`` says of a finished run."""
        path = self.run(run) / "run.json"
        data = read_json(path)
        if not isinstance(data, dict) or not isinstance(data.get("folders"), dict):
            raise TreadleError("this is not a run's record", where=path)
        return data

    @contextlib.contextmanager
    def lock(
        self, name: str = "workspace", *, wait: float = 60.0, waiting: Callable[[str], None] | None = None
    ) -> Iterator[int]:
        """Hold a lock between processes; the system frees it when its holder dies.

        Args:
            name: which lock.
            wait: seconds to wait for another holder.
            waiting: told once, in one line, when there is something to wait for.

        Yields:
            The lock's file descriptor. A child that inherits it shares the lock.
        """
        path = self.root / f"{name}.lock"
        try:
            handle = path.open("a+")
        except OSError as error:
            raise disk_error(error, path) from None
        with handle:
            self._acquire(handle, path, wait, waiting)
            try:
                yield handle.fileno()
            finally:
                fcntl.flock(handle, fcntl.LOCK_UN)

    def _acquire(self, handle: Any, path: Path, wait: float, waiting: Callable[[str], None] | None) -> None:
        deadline = time.monotonic() + wait
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if waiting is not None:
                    waiting(f"another process{_holder(handle)} works in this workspace; waiting for it")
                    waiting = None
                if time.monotonic() > deadline:
                    raise TreadleError(
                        f"another process{_holder(handle)} has held the lock for {wait:.0f} s",
                        where=path,
                        remedy="wait for it to end, or end it, and run the same command again",
                    ) from None
                time.sleep(0.05)
            except OSError as error:
                raise disk_error(error, path) from None
        with contextlib.suppress(OSError):  # the holder's id is a courtesy to who waits
            os.ftruncate(handle.fileno(), 0)
            os.write(handle.fileno(), str(os.getpid()).encode())

    def sweep(self) -> None:
        """Remove what processes that are no longer alive left half-written. Call it with the lock held."""
        now = time.time()
        for pattern in (".*.tmp", "*/.*.tmp", "cache/*/.*.tmp"):
            for path in self.root.glob(pattern):
                with contextlib.suppress(OSError):
                    if _dead(path.name) or now - path.stat().st_mtime > STALE_SECONDS:
                        shutil.rmtree(path) if path.is_dir() else path.unlink()

    def content_hash(self, path: Path) -> str:
        """SHA-256 of a file's bytes, remembered by path, size and time of change."""
        stat = path.stat()
        key = f"{path.resolve()}|{stat.st_size}|{stat.st_mtime_ns}"
        memory = self.root / "hashes.json"
        known: dict[str, Any] = {}
        with contextlib.suppress(OSError, ValueError):
            known = json.loads(memory.read_bytes())
        if key not in known:
            known = {old: value for old, value in known.items() if not old.startswith(f"{path.resolve()}|")}
            known[key] = hash_file(path)
            if os.access(self.root, os.W_OK):
                write_json(memory, known)
        return str(known[key])


def remember(path: Path, value: Any) -> None:
    """Write JSON unless the file says so already."""
    plain = encode(value)
    with contextlib.suppress(TreadleError):
        if path.is_file() and read_json(path) == plain:
            return
    write_json(path, plain)


def _holder(handle: Any) -> str:
    try:
        handle.seek(0)
        text = handle.read(20).strip()
    except (OSError, ValueError):
        return ""
    return f" (process {text})" if text.isdigit() else ""


def _dead(name: str) -> bool:
    """Whether the process named in a temporary name is gone; False where nobody can tell."""
    owner = name.removesuffix(".tmp").rpartition(".")[2].partition("-")[0]
    if not owner.isdigit():
        return False
    try:
        os.kill(int(owner), 0)
    except ProcessLookupError:
        return True
    except OverflowError:
        return True
    except OSError as error:
        return error.errno == errno.ESRCH
    return False
