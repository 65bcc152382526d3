"""The workspace: ``.treadle/`` beside the spec. Whatever is in it was written whole or not at all."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from treadle.core.errors import TreadleError
from treadle.core.files import disk_error, hash_file, write_json
from treadle.core.jsonable import read_json

FORMAT = 1
STALE_SECONDS = 24 * 3600


class Workspace:
    """Paths and locks of one workspace; it is made when it is first written to."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def open(self) -> Workspace:
        """Make the folder, check its format, clear away what a killed process left half-written."""
        marker = self.root / "workspace.json"
        try:
            self.root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise disk_error(error, self.root) from None
        if not marker.exists():
            write_json(marker, {"format": FORMAT})
            (self.root / ".gitignore").write_text("*\n")
        found = read_json(marker).get("format")
        if found != FORMAT:
            raise TreadleError(
                f"the workspace has format {found}, this Treadle reads {FORMAT}",
                where=self.root,
                remedy="pip install --upgrade treadle",
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

    @contextlib.contextmanager
    def lock(self, name: str = "workspace", *, wait: float = 60.0) -> Iterator[None]:
        """Hold a lock between processes; the system frees it when its holder dies."""
        path = self.root / f"{name}.lock"
        try:
            handle = path.open("a+")
        except OSError as error:
            raise disk_error(error, path) from None
        with handle:
            deadline = time.monotonic() + wait
            while True:
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > deadline:
                        raise TreadleError(
                            f"another process has held the lock for {wait:.0f} s",
                            where=path,
                            remedy="wait for it to end, or end it",
                        ) from None
                    time.sleep(0.05)
            try:
                yield
            finally:
                fcntl.flock(handle, fcntl.LOCK_UN)

    def sweep(self) -> None:
        """Remove temporary files of processes that died more than a day ago."""
        now = time.time()
        for path in self.root.rglob(".*.tmp"):
            with contextlib.suppress(OSError):
                if now - path.stat().st_mtime > STALE_SECONDS:
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
