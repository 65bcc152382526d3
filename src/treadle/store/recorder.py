"""The near end of the line to tracking: starts the helper process, or opens MLflow here."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import treadle
from treadle.core.errors import TreadleError
from treadle.core.jsonable import dumps, read_json
from treadle.spec.read import resolve_secrets
from treadle.spec.store import Store
from treadle.store.tracking import Recorder, Tracking, target
from treadle.store.workspace import Workspace, remember

WORKER = "treadle.store.tracking_worker"
SETTINGS = "store.json"


class Helper:
    """MLflow in a process of its own. Starting it returns at once; the first `call` waits until it is ready.

    Args:
        uri, artifacts: see `Tracking`.
        keep: file descriptors that it inherits: a lock that must not be free before it has ended.
    """

    def __init__(self, uri: str, artifacts: str | None, keep: tuple[int, ...] = ()) -> None:
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 (lives as long as the process)
        here = str(Path(treadle.__file__).parent.parent)
        paths = [here, *filter(None, [os.environ.get("PYTHONPATH")])]
        self._process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-P", "-m", WORKER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
            pass_fds=keep,
            start_new_session=True,
            text=True,
            encoding="utf-8",
        )
        self._send({"uri": uri, "artifacts": artifacts})

    def call(self, verb: str, **arguments: Any) -> Any:
        """Do one verb of `Tracking` over there."""
        self._send({"verb": verb, "arguments": arguments})
        assert self._process.stdout is not None  # noqa: S101 (opened above)
        line = self._process.stdout.readline()
        try:
            answer = json.loads(line)
        except ValueError:
            raise self._died() from None
        if "error" in answer:
            error = answer["error"]
            raise TreadleError(
                error["problem"], where=error["where"], expected=error["expected"], remedy=error["remedy"]
            )
        return answer["answer"]

    def close(self) -> None:
        """End the process."""
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        try:
            self._process.wait(timeout=2)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()

    def _send(self, request: dict[str, Any]) -> None:
        assert self._process.stdin is not None  # noqa: S101 (opened above)
        with contextlib.suppress(BrokenPipeError):  # the answer that does not come says so
            self._process.stdin.write(dumps(request) + "\n")
            self._process.stdin.flush()

    def _died(self) -> TreadleError:
        code = self._process.wait()
        self._log.seek(0)
        last = self._log.read()[-4000:].decode(errors="replace").strip().splitlines()
        return TreadleError(
            f"the process that records runs ended with code {code}{': ' + last[-1] if last else ''}",
            remedy="run the same command again; it goes on where it was",
        )


def start(workspace: Workspace, store: Store, keep: tuple[int, ...] = ()) -> Recorder:
    """Start the helper process for this workspace; it gets ready while other work is done.

    Where this process has imported MLflow anyway, there is nothing to wait for, and the line is opened here.
    """
    where = _target(workspace, store)
    return Tracking(*where) if "mlflow" in sys.modules else Helper(*where, keep=keep)


def connect(workspace: Workspace) -> Recorder:
    """Open the tracking that this workspace's last registration used, in this process."""
    path = workspace.root / SETTINGS
    if not path.is_file():
        raise TreadleError("no model was registered yet", where=workspace.root, remedy="run `treadle run` first")
    data = read_json(path)
    return Tracking(*_target(workspace, Store.model_validate(data)))


def keep_settings(workspace: Workspace, store: Store) -> None:
    """Remember where this workspace's runs are recorded; secrets stay the names that the spec wrote."""
    remember(workspace.root / SETTINGS, store)


def _target(workspace: Workspace, store: Store) -> tuple[str, str | None]:
    resolved = {
        name: resolve_secrets(str(value), where=f"store.{name}")
        for name, value in (("tracking", store.tracking), ("artifacts", store.artifacts))
    }
    return target(workspace.root, resolved)
