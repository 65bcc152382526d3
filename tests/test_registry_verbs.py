"""Promote, roll back, find, trace: against the real MLflow, with its aliases, and through its pyfunc."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from conftest import toy_frame
from treadle.core.errors import TreadleError
from treadle.core.events import Events
from treadle.flow.run import Run, run
from treadle.spec.read import parse_spec
from treadle.store import ledger
from treadle.store.bundle import load_bundle
from treadle.store.find import champion, find_bundle, trace
from treadle.store.history import state
from treadle.store.recorder import Helper, connect
from treadle.store.registry import models, promote, rollback
from treadle.store.workspace import Workspace

SPEC = """
name: toy
data: {source: toy.csv, target: label, drop: [value]}
model: {name: linear, options: {penalty: %s}}
evaluate: {bootstrap: 20, gates: [%s]}
"""


def once(folder: Path, penalty: float, gate: str = "roc_auc >= 0.5") -> Run:
    return run(parse_spec(SPEC % (penalty, gate)), folder, Events())


@pytest.fixture(scope="module", autouse=True)
def quick_mlflow() -> None:
    """Runs in this process then use the MLflow that is imported here; the crash tests go through the helper process."""
    import mlflow  # noqa: F401


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three runs: the champion, a challenger, and one that fails its gate."""
    folder = tmp_path_factory.mktemp("registry")
    toy_frame().write_csv(folder / "toy.csv")
    assert once(folder, 1.0).summary()["model"] == {"name": "toy", "version": "1", "aliases": ["champion"]}
    assert once(folder, 10.0).summary()["model"] == {"name": "toy", "version": "2", "aliases": ["challenger"]}
    assert once(folder, 1000.0, "roc_auc >= 0.9999").value("decide").passed is False
    return folder


@pytest.fixture
def workspace(project: Path, tmp_path: Path) -> Workspace:
    """A copy, whose registry is the copy's own."""
    shutil.copytree(project, tmp_path / "copy")
    return Workspace(tmp_path / "copy" / ".treadle")


def in_mlflow(workspace: Workspace) -> dict[str, str]:
    tracking: Any = connect(workspace)
    found = tracking.client.get_registered_model("toy").aliases
    return {alias: str(version) for alias, version in found.items()}


def test_the_story_of_a_champion(workspace: Workspace) -> None:
    assert in_mlflow(workspace) == {"champion": "1", "challenger": "3"}
    done = promote(workspace, "toy", "2", reason="better on paper")
    assert done["version"] == "2" and done["previous"] == "1" and done["changed"]
    assert in_mlflow(workspace) == {"champion": "2", "previous": "1", "challenger": "3"}
    assert champion(workspace)["version"] == "2"
    pointer = json.loads((workspace.root / "champion.json").read_bytes())["models"]["toy"]
    assert pointer["version"] == "2" and (workspace.root / pointer["bundle"] / "bundle.json").is_file()
    assert not promote(workspace, "toy", "2", reason="again")["changed"]
    back = rollback(workspace, "toy", reason="worse in life")
    assert back["version"] == "1" and in_mlflow(workspace) == {"champion": "1", "challenger": "3"}
    with pytest.raises(TreadleError, match="no champion before"):
        rollback(workspace, "toy", reason="once more")
    told = [(entry.what, entry.facts["version"], entry.facts.get("reason")) for entry in ledger.read(workspace)]
    assert told == [
        ("register", "1", None), ("promote", "1", "first model"), ("register", "2", None), ("register", "3", None),
        ("promote", "2", "better on paper"), ("rollback", "1", "worse in life"),
    ]  # fmt: skip
    assert ledger.verify(workspace) == 6
    assert ledger.read(workspace)[4].facts["gates"][0]["passed"] is True


def test_a_failed_gate_stands_in_the_way_unless_forced(workspace: Workspace) -> None:
    with pytest.raises(TreadleError, match=r"failed roc_auc >= 0\.9999") as caught:
        promote(workspace, "toy", "3", reason="hope")
    assert "--force" in str(caught.value.remedy)
    assert champion(workspace)["version"] == "1"
    promote(workspace, "toy", "challenger", reason="the boss says so", force=True)
    assert champion(workspace)["version"] == "3"
    assert ledger.read(workspace)[-1].facts["forced"] is True
    assert "challenger" not in in_mlflow(workspace)


def test_a_damaged_bundle_is_not_promoted(workspace: Workspace) -> None:
    folder = find_bundle(workspace, "toy@2")
    path = folder / "treadle.yaml"
    path.write_text(path.read_text() + "\n# mine")
    with pytest.raises(TreadleError, match="damaged"):
        promote(workspace, "toy", "2", reason="no")
    assert champion(workspace)["version"] == "1"


def test_an_unknown_version_is_told_with_what_there_is(workspace: Workspace) -> None:
    with pytest.raises(TreadleError, match="no version '9'") as caught:
        promote(workspace, "toy", "9", reason="no")
    assert "champion" in str(caught.value.expected)
    with pytest.raises(TreadleError):
        promote(workspace, "tox", "1", reason="no")


def test_what_a_crash_left_behind_is_made_good(workspace: Workspace) -> None:
    entry = state(workspace)["toy"].versions["2"]
    facts = {key: entry[key] for key in ("version", "run", "digest", "bundle")}
    ledger.append(workspace, "promote", {"model": "toy", **facts, "reason": "then the power failed", "previous": "1"})
    (workspace.root / "champion.json").unlink()
    assert champion(workspace)["version"] == "2"
    assert in_mlflow(workspace)["champion"] == "1"
    models(workspace, live=True)
    assert in_mlflow(workspace)["champion"] == "2"
    assert json.loads((workspace.root / "champion.json").read_bytes())["models"]["toy"]["version"] == "2"


def test_all_ways_to_name_a_bundle(workspace: Workspace) -> None:
    runs = workspace.runs()
    assert find_bundle(workspace) == find_bundle(workspace, "toy@champion") == find_bundle(workspace, runs[0])
    assert find_bundle(workspace, "@challenger") == find_bundle(workspace, "toy@3") == find_bundle(workspace, runs[2])
    folder = find_bundle(workspace, "toy@2")
    assert find_bundle(workspace, folder) == folder == find_bundle(workspace, str(folder))
    shutil.rmtree(workspace.root / "cache" / "register")
    kept = find_bundle(workspace, "toy@2")
    assert kept.is_relative_to(workspace.root / "mlruns") and load_bundle(kept).facts["run"] == runs[1]
    for wrong in ("toy@7", "2099", "no/such/folder"):
        with pytest.raises(TreadleError):
            find_bundle(workspace, wrong)


def test_models_and_their_versions(workspace: Workspace) -> None:
    (quick,) = models(workspace)
    (live,) = models(workspace, live=True)
    assert [item["version"] for item in quick["versions"]] == ["3", "2", "1"]
    for one, other in zip(quick["versions"], live["versions"], strict=True):
        assert {key: one[key] for key in ("version", "aliases", "run", "digest", "passed")} == {
            key: other[key] for key in ("version", "aliases", "run", "digest", "passed")
        }
        assert one["metrics"]["roc_auc"]["value"] > 0.5


def test_from_a_bundle_back_to_what_made_it(workspace: Workspace) -> None:
    found = trace(workspace, "toy@1")
    assert found["model"]["version"] == "1" and found["model"]["aliases"] == ["champion"]
    assert found["model"]["kind"] == "linear" and found["model"]["options"] == {"penalty": 1.0}
    assert found["run"] == workspace.runs()[0] and "penalty: 1.0" in found["spec"]
    assert found["dataset"]["rows"] == 400 and found["dataset"]["source"] == ["toy.csv"]
    assert len(found["dataset"]["version"]) == 64 and len(found["code"]["hash"]) == 64
    assert {"numpy", "polars"} <= set(found["libraries"])
    assert found["split"]["rows"]["test"] > 0 and found["gates"][0]["passed"]
    assert [entry["what"] for entry in found["ledger"]] == ["register", "promote"]
    tracking: Any = connect(workspace)
    assert tracking.client.get_run(found["tracking_run"]).info.run_name == found["run"]


def test_the_run_as_mlflow_shows_it(project: Path) -> None:
    workspace = Workspace(project / ".treadle")
    client = connect(workspace).client  # type: ignore[attr-defined]
    experiment = client.get_experiment_by_name("toy")
    found = client.search_runs([experiment.experiment_id])
    assert len(found) == 3 and {item.info.status for item in found} == {"FINISHED"}
    first = next(item for item in found if item.info.run_name == workspace.runs()[0])
    facts = workspace.facts_of(workspace.runs()[0])
    auc = facts["metrics"]["roc_auc"]
    assert first.data.metrics["roc_auc"] == auc["value"]
    assert first.data.metrics["roc_auc.low"] == auc["low"] <= auc["high"] == first.data.metrics["roc_auc.high"]
    assert first.data.params["model"] == "linear" and first.data.params["model.options.penalty"] == "1.0"
    assert first.data.tags["mlflow.source.name"] == "treadle run"
    assert "roc_auc" in first.data.tags["mlflow.note.content"]
    (dataset,) = first.inputs.dataset_inputs
    assert facts["dataset"].startswith(dataset.dataset.digest)
    assert {"bundle", "treadle.yaml"} <= {item.path for item in client.list_artifacts(first.info.run_id)}


def test_pyfunc_predicts_the_same(project: Path) -> None:
    import mlflow

    workspace = Workspace(project / ".treadle")
    uri = f"sqlite:///{workspace.root}/mlflow.db"
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    model = mlflow.pyfunc.load_model("models:/toy@champion")
    frame = toy_frame(60, seed=5)
    ours = load_bundle(find_bundle(workspace)).predict(frame)
    pandas = frame.drop("label", "value").to_pandas()
    assert pl.from_pandas(model.predict(pandas)).equals(ours)
    one = model.predict(pandas.head(1))
    assert one["probability_yes"][0] == ours["probability_yes"][0]
    without = model.predict(pandas.drop(columns=["income"]))
    empty = frame.with_columns(income=pl.lit(None, dtype=pl.Float64))
    assert pl.from_pandas(without).equals(load_bundle(find_bundle(workspace)).predict(empty))
    with pytest.raises(Exception, match="age"):
        model.predict(pandas.drop(columns=["age"]))
    names = {column["name"]: column["required"] for column in model.metadata.get_input_schema().to_dict()}
    assert names == {"age": True, "income": False, "city": True, "member": True}
    load_bundle(find_bundle(workspace, "toy@champion"))


def test_the_helper_process_tells_what_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "bad.db").write_bytes(b"this is no database, and never was" * 100)
    helper = Helper(f"sqlite:///{tmp_path}/bad.db", None)
    try:
        with pytest.raises(TreadleError, match="damaged") as caught:
            helper.call("models")
        assert "bad.db" in str(caught.value.where)
    finally:
        helper.close()
    helper = Helper(f"sqlite:///{tmp_path}/x.db", None)
    helper._process.kill()
    with pytest.raises(TreadleError, match="ended with code -9"):
        helper.call("models")
    helper.close()


@pytest.mark.slow
def test_a_server_over_http(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1",
        "--backend-store-uri", f"sqlite:///{tmp_path}/server.db",
        "--artifacts-destination", str(tmp_path / "artifacts"),
    ]  # fmt: skip
    server = subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_for(f"{url}/health", server)
        toy_frame().write_csv(tmp_path / "toy.csv")
        os.environ["TOY_TRACKING"] = url
        spec = SPEC % (1.0, "roc_auc >= 0.5") + "store: {tracking: $TOY_TRACKING}\n"
        done = run(parse_spec(spec), tmp_path, Events())
        assert done.summary()["model"]["aliases"] == ["champion"]
        workspace = Workspace(tmp_path / ".treadle")
        assert url not in (workspace.root / "store.json").read_text()
        (found,) = models(workspace)
        assert found["versions"][0]["aliases"] == ["champion"] and found["versions"][0]["run"] == done.id
        shutil.rmtree(workspace.root / "cache")
        assert load_bundle(find_bundle(workspace, "toy@champion")).facts["run"] == done.id
        again = run(parse_spec(spec), tmp_path, Events())
        assert again.summary()["model"]["version"] == "2"
        promote(workspace, "toy", "2", reason="over HTTP")
        assert state(workspace)["toy"].champion == "2"
    finally:
        os.killpg(server.pid, 15)
        server.wait(20)


def _wait_for(url: str, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline:
        assert server.poll() is None, "the server did not start"
        try:
            urllib.request.urlopen(url, timeout=1)
            return
        except OSError:
            time.sleep(0.1)
    raise AssertionError("the server did not answer")
