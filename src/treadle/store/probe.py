"""Try a bundle of unknown origin in a child process first: native code that dies there does no harm here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import treadle
from treadle.core.errors import TreadleError
from treadle.core.jsonable import read_json
from treadle.store import ledger
from treadle.store.workspace import Workspace, remember

SECONDS = 300
MEMORY = "probed.json"
CHILD = "TREADLE_PROBE"
_tried: set[str] = set()


def known(workspace: Workspace | None, digest: str) -> bool:
    """Whether this workspace made a bundle, or it was tried before; or this process is itself the trial."""
    if digest in _tried or os.environ.get(CHILD) == digest:
        return True
    if workspace is None:
        return False
    return digest in _remembered(workspace) or any(
        entry.facts.get("digest") == digest for entry in ledger.read(workspace)
    )


def run(folder: Path, workspace: Workspace | None, digest: str) -> None:
    """Load the bundle and let it test itself in a child process.

    Raises:
        TreadleError: what the child found, or that it died of it.
    """
    here = str(Path(treadle.__file__).parent.parent)
    paths = os.pathsep.join(filter(None, [here, os.environ.get("PYTHONPATH")]))
    command = [sys.executable, "-P", "-m", "treadle.store.probe", str(folder.resolve())]
    try:
        done = subprocess.run(  # noqa: S603
            command,
            env={**os.environ, "PYTHONPATH": paths, CHILD: digest},
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise TreadleError(f"the bundle did not load within {SECONDS} s", where=folder) from None
    if done.returncode == 2:
        answer = json.loads(done.stdout.splitlines()[-1])
        raise TreadleError(answer["problem"], where=folder, expected=answer["expected"], remedy=answer["remedy"])
    if done.returncode != 0:
        raise TreadleError(
            f"a process that loaded the bundle died of it (code {done.returncode})",
            where=folder,
            remedy="do not use it: its files are damaged or hostile",
        )
    _tried.add(digest)
    if workspace is not None and os.access(workspace.root, os.W_OK):
        remember(workspace.root / MEMORY, sorted(_remembered(workspace) | {digest}))


def _remembered(workspace: Workspace) -> set[str]:
    path = workspace.root / MEMORY
    return set(map(str, read_json(path))) if path.is_file() else set()


def _main() -> int:
    from treadle.store.bundle import load_bundle

    try:
        load_bundle(Path(sys.argv[1]), trusted=True)
    except TreadleError as error:
        answer = {"problem": error.problem, "expected": error.expected, "remedy": error.remedy}
        sys.stdout.write("\n" + json.dumps(answer) + "\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(_main())
