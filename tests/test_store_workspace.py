"""The workspace: locks, leftovers, damage, formats."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from treadle.core.errors import TreadleError
from treadle.core.files import temporary_beside
from treadle.store import results
from treadle.store.tracking import local_path, redact, target
from treadle.store.workspace import Workspace, remember


def test_a_newer_format_is_refused_with_a_remedy(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / ".treadle").open()
    (workspace.root / "workspace.json").write_text('{"format": 99}')
    with pytest.raises(TreadleError, match="format 99") as caught:
        workspace.open()
    assert caught.value.remedy == "pip install --upgrade treadle"


def test_the_second_waits_is_told_why_and_gives_up(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / ".treadle").open()
    said: list[str] = []
    code = (
        "import sys, time; from pathlib import Path; from treadle.store.workspace import Workspace\n"
        "with Workspace(Path(sys.argv[1])).lock():\n    print('held', flush=True); time.sleep(60)"
    )
    holder = subprocess.Popen([sys.executable, "-c", code, str(workspace.root)], stdout=subprocess.PIPE)
    assert holder.stdout is not None
    holder.stdout.readline()
    try:
        with (
            pytest.raises(TreadleError, match="has held the lock") as caught,
            workspace.lock(wait=0.3, waiting=said.append),
        ):
            raise AssertionError
        assert str(holder.pid) in caught.value.problem
        assert len(said) == 1 and str(holder.pid) in said[0]
    finally:
        holder.kill()
        holder.wait()
    with workspace.lock(wait=5):
        pass


def test_sweeping_takes_what_dead_processes_left_and_nothing_else(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / ".treadle").open()
    place = workspace.root / "cache" / "train"
    place.mkdir(parents=True)
    done = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True)
    dead = place / f".abc.{done.stdout.strip()}-0123abcd.tmp"
    dead.mkdir()
    (dead / "half.parquet").write_bytes(b"x")
    mine = temporary_beside(place / "def")
    mine.mkdir()
    foreign = place / ".ghi.0123abcd.tmp"
    foreign.mkdir()
    old = place / ".jkl.0123abcd.tmp"
    old.mkdir()
    os.utime(old, (time.time() - 1e6,) * 2)
    workspace.sweep()
    assert sorted(path.name for path in place.iterdir()) == sorted([mine.name, foreign.name])


def test_a_damaged_result_is_seen_by_its_files(tmp_path: Path) -> None:
    folder = tmp_path / "result"
    (folder / "model").mkdir(parents=True)
    (folder / "model" / "weights.npy").write_bytes(b"12345")
    results.seal(folder, {"a": 1})
    assert results.intact(folder)
    (folder / "model" / "weights.npy").write_bytes(b"1234")
    assert not results.intact(folder)
    (folder / "model" / "weights.npy").write_bytes(b"12345")
    assert results.intact(folder)
    (folder / "more").write_bytes(b"")
    assert not results.intact(folder)
    assert not results.intact(tmp_path / "nothing")


def test_remembering_writes_only_what_changed(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    remember(path, {"a": (1, 2)})
    before = path.stat().st_mtime_ns, path.stat().st_ino
    remember(path, {"a": [1, 2]})
    assert (path.stat().st_mtime_ns, path.stat().st_ino) == before
    remember(path, {"a": [1]})
    assert path.stat().st_ino != before[1]


def test_runs_are_found_by_the_beginning_of_their_id(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / ".treadle").open()
    for name in ("20260101-000000-aaaaaa", "20260101-000000-bbbbbb"):
        workspace.run(name).mkdir(parents=True)
        (workspace.run(name) / "run.json").write_text('{"folders": {}}')
    assert workspace.find_run("20260101-000000-b") == "20260101-000000-bbbbbb"
    with pytest.raises(TreadleError, match="fits 2 runs"):
        workspace.find_run("2026")
    with pytest.raises(TreadleError, match="there is no run"):
        workspace.find_run("2025")
    with pytest.raises(TreadleError):
        workspace.run("../etc")


def test_where_runs_are_tracked(tmp_path: Path) -> None:
    uri, artifacts = target(tmp_path, {})
    assert uri == f"sqlite:///{tmp_path.resolve()}/mlflow.db"
    assert artifacts is not None and local_path(artifacts) == tmp_path.resolve() / "mlruns"
    assert target(tmp_path, {"tracking": "http://host:5000"}) == ("http://host:5000", None)
    assert target(tmp_path, {"tracking": "http://h", "artifacts": "s3://b/x"})[1] == "s3://b/x"
    with pytest.raises(TreadleError, match="cannot track"):
        target(tmp_path, {"tracking": "ftp://host"})
    assert redact("postgresql://me:secret@host/db") == "postgresql://me:***@host/db"
