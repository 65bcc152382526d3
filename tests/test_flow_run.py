"""What runs again and why, what is kept, and what happens when the user, the disk or a neighbour interferes."""

from __future__ import annotations

import datetime
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from conftest import toy_frame
from treadle.core.errors import Interrupted, TreadleError
from treadle.core.events import Event, Events
from treadle.flow.code import code_version, reached
from treadle.flow.garbage import collect_garbage
from treadle.flow.plan import STAGES
from treadle.flow.run import Run, make_plan, run
from treadle.flow.signals import interruptible
from treadle.spec.read import parse_spec
from treadle.store import ledger
from treadle.store.find import find_bundle
from treadle.store.workspace import Workspace

SPEC = "data: {source: toy.csv, target: label, drop: [value]}\nmodel: {name: linear}\nevaluate: {bootstrap: 20}\n"
GATED = SPEC.replace("bootstrap: 20", "bootstrap: 20, gates: [roc_auc >= 0.6]")


def go(folder: Path, text: str = SPEC, **options: object) -> tuple[Run, list[Event]]:
    said: list[Event] = []
    return run(parse_spec(text), folder, Events(said.append), **options), said  # type: ignore[arg-type]


def ran(done: Run) -> list[str]:
    return [stage.name for stage in done.stages if not stage.cached]


@pytest.fixture(scope="module", autouse=True)
def quick_mlflow() -> None:
    """Runs in this process then use the MLflow that is imported here; the crash tests go through the helper process."""
    import mlflow  # noqa: F401


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("flow") / "toy"
    folder.mkdir()
    toy_frame().write_csv(folder / "toy.csv")
    done, _ = go(folder)
    assert ran(done) == list(STAGES)
    return folder


@pytest.fixture
def project(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "toy"))


def test_the_summary_holds_what_is_promised(finished: Path) -> None:
    done, _ = go(finished)
    summary = json.loads(json.dumps(done.summary()))
    assert {"run", "model", "task", "metrics", "gates", "stages", "report", "bundle", "spec", "dataset", "started",
            "finished", "treadle"} <= set(summary)  # fmt: skip
    assert summary["model"] == {"name": "toy", "version": "1", "aliases": ["champion"]}
    assert set(summary["metrics"]["roc_auc"]) == {"value", "low", "high"}
    assert [set(stage) for stage in summary["stages"]] == [{"name", "cached", "seconds"}] * len(STAGES)
    assert all(stage["cached"] for stage in summary["stages"])
    record = json.loads((done.folder / "run.json").read_bytes())
    assert {**record, "stages": None, "folders": None} == {**summary, "stages": None, "folders": None}
    assert (done.folder / "treadle.yaml").is_file() and Path(summary["bundle"], "bundle.json").is_file()


def test_an_unchanged_run_is_quick_and_imports_nothing_heavy(finished: Path) -> None:
    code = (
        "import sys, time; started = time.perf_counter()\n"
        "from pathlib import Path; from treadle.core.events import Events; from treadle.flow.run import run\n"
        "from treadle.spec.read import read_spec\n"
        "done = run(read_spec(Path(sys.argv[1])), Path(sys.argv[1]), Events())\n"
        "assert all(stage.cached for stage in done.stages), [s for s in done.stages if not s.cached]\n"
        "heavy = [m for m in ('polars', 'numpy', 'sklearn', 'mlflow', 'pandas', 'torch') if m in sys.modules]\n"
        "assert not heavy, heavy; print(time.process_time())"
    )
    (finished / "treadle.yaml").write_text(SPEC)
    done = subprocess.run([sys.executable, "-c", code, str(finished)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 1.0


def test_a_change_says_what_changed_and_runs_no_more_than_it_must(project: Path) -> None:
    plan = make_plan(parse_spec(GATED), project, Events())
    why = {step.name: step.why for step in plan.steps if not step.cached}
    assert set(why) == {"decide", "register"} and "roc_auc >= 0.6" in why["decide"]
    assert "decide changed" in why["register"]
    done, _ = go(project, GATED)
    assert ran(done) == ["decide", "register"] and done.summary()["model"]["version"] == "2"
    plan = make_plan(parse_spec(GATED + "split: {seed: 3}\n"), project, Events())
    why = {step.name: step.why for step in plan.steps}
    assert why["ingest"] == "nothing changed" and "split.seed: 0 -> 3" in why["split"]
    assert "split changed" in why["train"]
    back, _ = go(project)
    assert ran(back) == [] and back.summary()["model"]["version"] == "1"
    assert len(Workspace(project / ".treadle").runs()) == 2


def test_other_data_is_seen(project: Path) -> None:
    toy_frame(300, seed=9).write_csv(project / "toy.csv")
    first = make_plan(parse_spec(SPEC), project, Events()).steps[0]
    assert first.cached and "read for this plan (the data changed)" in first.why


def test_force_runs_a_stage_and_what_rests_on_it(project: Path) -> None:
    before = Workspace(project / ".treadle").runs()
    done, said = go(project, force=["evaluate"])
    assert ran(done) == ["evaluate", "decide", "register"]
    assert next(item for item in said if item.stage == "evaluate").text == "asked for"
    assert done.id not in before and done.summary()["model"]["version"] == "2"
    assert ran(go(project)[0]) == []
    with pytest.raises(TreadleError, match="did you mean 'train'"):
        go(project, force=["trian"])


def test_a_damaged_result_is_made_again(project: Path) -> None:
    root = project / ".treadle"
    (part,) = root.glob("cache/split/*/parts.parquet")
    part.write_bytes(part.read_bytes()[:-10])
    (value,) = root.glob("cache/validate/*/value.json")
    value.write_bytes(b"x" * value.stat().st_size)
    shutil.rmtree(next(root.glob("cache/explain/*")))
    done, said = go(project)
    assert ran(done) == ["validate", "split", "explain"]
    assert next(item.text for item in said if item.stage == "split") == "its result was damaged"
    assert done.summary()["model"]["version"] == "1"
    assert ran(go(project)[0]) == []


def test_a_lost_database_is_filled_again(project: Path) -> None:
    (project / ".treadle" / "mlflow.db").unlink()
    done, said = go(project)
    assert (ran(done) == ["register"] and said[-2].text == "the tracking database is gone") or said
    assert find_bundle(Workspace(project / ".treadle"))


def test_ctrl_c_leaves_a_run_that_goes_on(project: Path) -> None:
    def press(event: Event) -> None:
        if event.name == "stage_started" and event.stage == "evaluate":
            os.kill(os.getpid(), signal.SIGINT)

    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with pytest.raises(Interrupted) as caught:
        run(parse_spec(SPEC + "split: {seed: 5}\n"), project, Events(press))
    assert caught.value.exit_code == 130
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before
    done, _ = go(project, SPEC + "split: {seed: 5}\n")
    assert ran(done) == ["evaluate", "explain", "decide", "register"]


def test_a_search_is_asked_first_and_broken_off_second() -> None:
    events = Events()
    with interruptible(events) as stopper:
        stopper.graceful = True
        os.kill(os.getpid(), signal.SIGTERM)
        assert events.stopping
    with pytest.raises(Interrupted), interruptible(events) as stopper:
        stopper.graceful = True
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(5)


def test_a_second_run_waits_then_says_so(project: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from treadle.store.workspace import Workspace\n"
        "with Workspace(Path(sys.argv[1])).lock():\n    print(flush=True); time.sleep(60)"
    )
    holder = subprocess.Popen([sys.executable, "-c", code, str(project / ".treadle")], stdout=subprocess.PIPE)
    assert holder.stdout is not None
    holder.stdout.readline()
    try:
        with pytest.raises(TreadleError, match="has held the lock"):
            go(project, wait=0.2)
    finally:
        holder.kill()
        holder.wait()
    assert ran(go(project)[0]) == []


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="mounting needs root")
def test_a_full_disk_is_one_clear_error_and_space_mends_it(tmp_path: Path) -> None:
    place = tmp_path / "small"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(place)], capture_output=True)
    if mounted.returncode != 0:
        pytest.skip("this machine does not let us mount")
    try:
        toy_frame(1000).write_csv(place / "toy.csv")
        for size in ("300k", "1000k"):
            subprocess.run(["mount", "-o", f"remount,size={size}", str(place)], check=True)
            with pytest.raises(TreadleError, match="the disk is full"):
                go(place)
        subprocess.run(["mount", "-o", "remount,size=64m", str(place)], check=True)
        done, _ = go(place)
        assert done.summary()["model"]["version"] == "1"
        workspace = Workspace(place / ".treadle")
        assert ledger.verify(workspace) == 2 and workspace.runs() == [done.id]
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="mounting needs root")
def test_a_read_only_folder_is_one_clear_error(tmp_path: Path) -> None:
    place = tmp_path / "fixed"
    place.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(place)], capture_output=True).returncode != 0:
        pytest.skip("this machine does not let us mount")
    try:
        toy_frame(50).write_csv(place / "toy.csv")
        subprocess.run(["mount", "-o", "remount,ro", str(place)], check=True)
        with pytest.raises(TreadleError, match="read-only"):
            go(place)
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_damaged_database_is_one_clear_error(project: Path) -> None:
    database = project / ".treadle" / "mlflow.db"
    good = database.read_bytes()
    database.write_bytes(b"\x00garbage" * 1000)
    with pytest.raises(TreadleError, match="tracking database is damaged") as caught:
        go(project, GATED)
    assert "move it away" in str(caught.value.remedy)
    database.write_bytes(good)
    assert go(project, GATED)[0].summary()["model"]["version"] == "2"


def test_garbage_is_collected_but_nothing_that_serves(project: Path) -> None:
    workspace = Workspace(project / ".treadle")
    go(project, GATED)
    go(project, GATED, force=["register"])
    first = find_bundle(workspace, "toy@1")
    assert collect_garbage(workspace, keep_runs=1) >= 0
    assert find_bundle(workspace, "toy@champion") == first
    assert ran(go(project, GATED)[0]) == []
    assert all(find_bundle(workspace, run) for run in workspace.runs())


def test_the_code_of_helpers_counts() -> None:
    folder = Path(sys.modules["treadle"].__file__ or "").parent
    files = {path.name for path in reached([folder / "models" / "lightgbm.py"])}
    assert "lightgbm.py" in files and any(name.startswith("_") for name in files)
    assert code_version("split", ()) != code_version("validate", ())


def test_ids_stand_in_the_order_of_time_within_a_second():
    from treadle.flow.run import _new_id

    moment = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)
    ids = [_new_id(moment + datetime.timedelta(milliseconds=step)) for step in (0, 7, 90, 500, 999, 1000)]
    assert ids == sorted(ids) and len(set(ids)) == 6
    assert len({_new_id(moment) for _ in range(50)}) > 40
