"""kill -9 at every stage and at every step of the registration; the next run completes and nothing is half there."""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import toy_frame, treadle
from treadle.flow.plan import STAGES
from treadle.store import ledger, results
from treadle.store.bundle import load_bundle
from treadle.store.history import state
from treadle.store.workspace import Workspace

SPEC = "data: {source: toy.csv, target: label, drop: [value]}\nmodel: {name: linear}\nevaluate: {bootstrap: 20}\n"


def start(project: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "treadle", "run"], cwd=project, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def kill_when(project: Path, reached: Callable[[], bool], limit: float = 60.0) -> bool:
    """Run, and kill -9 as soon as something is reached; False when the run ended before."""
    process = start(project)
    deadline = time.monotonic() + limit
    try:
        while process.poll() is None:
            if reached():
                os.kill(process.pid, signal.SIGKILL)
                process.wait()
                return True
            assert time.monotonic() < deadline, "the run takes too long"
            time.sleep(0.0005)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    return False


def finish(project: Path) -> dict:
    return json.loads(treadle("run", "--json", cwd=project).stdout)


def check_whole(project: Path, runs: int) -> None:
    """Everything there is whole: results, bundle, ledger, one version a run, and no leftovers."""
    workspace = Workspace(project / ".treadle")
    assert len(workspace.runs()) == runs
    for stage in STAGES:
        folders = [path for path in (workspace.root / "cache" / stage).iterdir() if not path.name.startswith(".")]
        assert folders and all(results.intact(folder) for folder in folders)
    ledger.verify(workspace)
    entries = ledger.read(workspace)
    registered = [entry.facts["run"] for entry in entries if entry.what == "register"]
    assert sorted(registered) == workspace.runs()
    assert [entry.what for entry in entries].count("promote") == 1
    model = state(workspace)["project"]
    assert list(model.versions) == [str(number) for number in range(1, runs + 1)]
    for facts in model.versions.values():
        bundle = load_bundle(workspace.root / facts["bundle"])
        assert bundle.digest == facts["digest"] and bundle.facts["run"] == facts["run"]
    with sqlite3.connect(workspace.root / "mlflow.db") as database:
        versions = dict(database.execute("select version, run_id from model_versions"))
        statuses = dict(database.execute("select run_uuid, status from runs"))
        aliases = dict(database.execute("select alias, version from registered_model_aliases"))
    assert len(versions) == len(statuses) == len(set(versions.values())) == runs
    assert set(statuses.values()) == {"FINISHED"}
    assert aliases == {alias: int(version) for alias, version in model.aliases().items()}
    pointer = json.loads((workspace.root / "champion.json").read_bytes())
    assert pointer["models"]["project"]["version"] == model.champion
    assert not (workspace.root / "pending.json").exists()
    stray = [path for path in workspace.root.rglob(".*.tmp") if "cache" in path.parts or "runs" in path.parts]
    assert stray == []


def test_kill_in_every_stage(make_project: Callable[..., Path]) -> None:
    project = make_project(SPEC, toy=toy_frame())
    cache = project / ".treadle" / "cache"
    killed = [
        stage
        for stage in STAGES
        if kill_when(project, lambda stage=stage: any((cache / stage).glob(".*.tmp")) if cache.exists() else False)
    ]
    assert {"ingest", "train", "register"} <= set(killed), killed
    assert len(killed) >= 5, killed
    summary = finish(project)
    assert summary["model"]["aliases"] == ["champion"]
    check_whole(project, 1)
    again = finish(project)
    assert again["run"] == summary["run"] and all(stage["cached"] for stage in again["stages"])


def test_kill_at_every_step_of_the_registration(make_project: Callable[..., Path]) -> None:
    project = make_project(SPEC, toy=toy_frame())
    root = project / ".treadle"
    entries = root / "ledger.jsonl"

    def said(what: str) -> Callable[[], bool]:
        return lambda: entries.exists() and f'"what":"{what}"' in entries.read_text()

    steps: list[Callable[[], bool]] = [
        lambda: (root / "pending.json").exists(),
        lambda: any((root / "mlruns").glob("*/artifacts/bundle/bundle.json")),
        said("register"),
        said("promote"),
        lambda: (root / "champion.json").exists(),
        lambda: any(path.name[0] != "." for path in (root / "cache" / "register").glob("*")),
    ]
    killed = [kill_when(project, step) for step in steps]
    assert sum(killed) >= 4, killed
    finish(project)
    check_whole(project, 1)


@pytest.mark.slow
def test_kill_at_random_instants(make_project: Callable[..., Path]) -> None:
    project = make_project(SPEC, toy=toy_frame())
    started = time.monotonic()
    finish(project)
    whole = time.monotonic() - started
    chance = random.Random(0)
    for number in range(4):
        (project / "treadle.yaml").write_text(SPEC + f"split: {{seed: {number + 1}}}\n")
        moment = time.monotonic() + whole * chance.uniform(0.2, 1.0)
        kill_when(project, lambda moment=moment: time.monotonic() > moment)
        finish(project)
    check_whole(project, 5)


def test_the_helper_process_ends_with_its_parent(make_project: Callable[..., Path]) -> None:
    project = make_project(SPEC, toy=toy_frame())
    process = start(project)
    children: list[int] = []
    deadline = time.monotonic() + 30
    while not children and process.poll() is None and time.monotonic() < deadline:
        listed = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        children = [int(number) for number in listed.read_text().split()] if listed.exists() else []
        time.sleep(0.002)
    if not children:
        pytest.skip("this system does not list a process's children")
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    deadline = time.monotonic() + 5
    while any(_alive(child) for child in children) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not any(_alive(child) for child in children)


def _alive(process: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{process}/status").read_text()
    except OSError:
        return False
