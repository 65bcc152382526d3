"""The command line, called in this process: the same `main`, without a second for each start of Python."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from treadle.cli.main import main


@dataclass
class Called:
    """What a call came to."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """The one object on stdout; anything else there is a failure."""
        found = json.loads(self.out)
        assert isinstance(found, dict)
        return found


@contextmanager
def _here(folder: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def call(*arguments: object, cwd: Path, code: int | None = 0) -> Called:
    """Call ``treadle ARGUMENTS`` in a folder; ``code=None`` accepts any exit code."""
    sys.stdout.flush()
    sys.stderr.flush()
    kept = [os.dup(1), os.dup(2)]
    argv = sys.argv
    with TemporaryFile() as out, TemporaryFile() as err, _here(cwd):
        os.dup2(out.fileno(), 1)
        os.dup2(err.fileno(), 2)
        streams = sys.stdout, sys.stderr
        sys.stdout, sys.stderr = (os.fdopen(os.dup(n), "w", encoding="utf-8") for n in (1, 2))
        sys.argv = ["treadle", *map(str, arguments)]
        try:
            main()
            found: Any = 0
        except SystemExit as end:
            found = end.code or 0
        finally:
            for stream in (sys.stdout, sys.stderr):
                stream.close()
            sys.stdout, sys.stderr = streams
            sys.argv = argv
            for number, old in enumerate(kept, 1):
                os.dup2(old, number)
                os.close(old)
        out.seek(0)
        err.seek(0)
        done = Called(int(found), out.read().decode(), err.read().decode())
    assert code is None or done.code == code, f"exit code {done.code}\n{done.out}\n{done.err}"
    return done
