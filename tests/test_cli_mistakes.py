"""What a user can get wrong: exit code 2, one message with a place, no traceback, and the workspace as it was."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from clicall import Called, call
from conftest import toy_frame

SPEC = "data: {source: toy.csv, target: label, drop: [value]}\nmodel: {name: linear}\nevaluate: {bootstrap: 10}\n"
Make = Callable[..., Path]


def refused(*arguments: object, cwd: Path) -> Called:
    """Called wrongly: what every such call must come to."""
    before = runs_of(cwd)
    done = call(*arguments, "--json", cwd=cwd, code=2)
    error = done.json["error"]
    assert set(error) >= {"problem", "where", "expected", "remedy"} and error["problem"]
    assert "Traceback" not in done.err and "did not expect" not in done.err
    assert error["problem"].splitlines()[0] in done.err
    assert runs_of(cwd) == before
    assert not list(cwd.rglob("crash-*"))
    return done


def runs_of(folder: Path) -> list[str]:
    return sorted(str(path) for path in (folder / ".treadle" / "runs").glob("*"))


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ("data: {source: toy.csv, targett: label}", ["data.targett", "did you mean 'target'", "treadle.yaml:1"]),
        ("data: {source: toy.csv, target: labell}", ["'labell'", "did you mean 'label'"]),
        ("data: {source: toy.csv, target: nothing}", ["'nothing'", "data.target", "label"]),
        ("data: {source: toy.csv, target: label, drop: [valuee]}", ["'valuee'", "did you mean 'value'"]),
        ("data: {source: toy.csv, target: label, time: when}", ["'when'", "data.time"]),
        ("treadle: 99\ndata: {source: toy.csv}", ["format 99", "upgrade"]),
        (SPEC.replace("linear", "linearr"), ["linearr", "did you mean 'linear'"]),
        (SPEC + "features: {age: [clipp]}", ["clipp", "did you mean 'clip'"]),
        (SPEC + "features: {agge: [clip]}", ["agge", "did you mean 'age'"]),
        (SPEC.replace("10}", "10, metrics: [accuracyy]}"), ["accuracyy", "did you mean 'accuracy'"]),
        (SPEC.replace("10}", "10, gates: [accuracyy >= 0.5]}"), ["accuracyy", "did you mean 'accuracy'"]),
        (SPEC.replace("10}", "10, gates: ['accuracy > = 0.5']}"), ["gate"]),
        (SPEC.replace("10}", "10, slices: [ctiy]}"), ["ctiy", "did you mean 'city'"]),
        (SPEC.replace("linear}", "linear, options: {nonsense: 1}}"), ["nonsense"]),
        ("data: {source: toy.csv, target: label}\nmodel: {name: linear}\nsplit: {test: 1.5}", ["split.test"]),
        ("data: {source: toy.csv, target: label\n", ["not valid YAML", "treadle.yaml:"]),
        ("", ["empty"]),
        ("data: {source: toy.csv, target: label}\ndata: {source: x.csv}", ["twice"]),
        ("data: {source: $NO_SUCH_SECRET/toy.csv, target: label}", ["NO_SUCH_SECRET"]),
        ("data: {source: gone.csv, target: label}", ["gone.csv"]),
        ("data: {source: 'sample://irys', target: target}", ["irys", "did you mean 'iris'"]),
        ("data: {source: toy.csv, target: label}\ntask: regression", ["regression", "label"]),
    ],
)
def test_spec(spec: str, told: list[str], make_project: Make) -> None:
    folder = make_project(spec, toy=toy_frame(60))
    for verb in ("check", "run"):
        done = refused(verb, cwd=folder)
        for text in told:
            assert text in done.err, f"{verb} says not {text!r} but\n{done.err}"


def test_an_option_out_of_its_range_is_told_with_the_range(make_project: Make) -> None:
    from treadle.core import registry
    from treadle.core.options import options_of

    ranged = {n: o.range for n, o in options_of(registry.load("models", "linear")).items() if o.range}
    name, span = next((n, r) for n, r in ranged.items() if r.low is not None)
    folder = make_project(SPEC, toy=toy_frame(60))
    for verb in ("check", "run"):
        done = refused(verb, "--set", f"model.options.{name}={span.low - 1}", cwd=folder)
        assert f"model.options.{name}" in done.err and f"from {span.low:g}" in done.err


def _rows(text: str) -> Callable[[Path], None]:
    return lambda path: path.write_text(text) and None


def _bytes(data: bytes) -> Callable[[Path], None]:
    return lambda path: path.write_bytes(data) and None


def _truncated(path: Path) -> None:
    toy_frame(500).write_parquet(path)
    path.write_bytes(path.read_bytes()[:-400])


@pytest.mark.parametrize(
    ("name", "write", "told"),
    [
        ("toy.csv", _rows(""), ["empty"]),
        ("toy.csv", _rows("age,label\n"), ["no rows"]),
        ("toy.csv", _rows("age,age,label\n1,2,yes\n2,3,no\n"), ["age", "twice"]),
        ("toy.csv", _rows("age,label\n" + "1,yes\n2,yes\n" * 30), ["label"]),
        ("toy.csv", _rows("age,label\n" + "1,\n2,\n" * 30), ["label"]),
        ("toy.csv", _rows("age,label\n" + ",yes\n,no\n" * 30), ["age", "learn from"]),
        ("toy.csv", _bytes(b"\x00\x01\x02\xff\xfe" * 400), []),
        ("toy.parquet", _truncated, ["toy.parquet"]),
        ("toy.parquet", _rows("not parquet"), ["toy.parquet"]),
        ("toy.csv.gz", _bytes(gzip.compress(b"age,label\n1,yes\n" * 999)[:-30]), ["toy.csv.gz"]),
        ("toy.jsonl", _rows('{"age": 1, "label": "yes"}\n{"age": \n'), ["toy.jsonl"]),
        ("toy.csv", lambda path: path.mkdir(), []),
        ("toy.xyz", _rows("what"), ["toy.xyz"]),
    ],
    ids=[
        "empty", "header-only", "duplicate-header", "one-class", "target-missing", "features-missing", "binary",
        "truncated-parquet", "no-parquet", "truncated-gzip", "broken-jsonl", "folder", "unknown-ending",
    ],
)  # fmt: skip
def test_data(name: str, write: Callable[[Path], None], told: list[str], make_project: Make) -> None:
    folder = make_project(f"data: {{source: {name}, target: label}}\nmodel: {{name: linear}}\n")
    write(folder / name)
    done = refused("run", cwd=folder)
    for text in told:
        assert text in done.err, done.err


def test_mixed_types_in_a_column_are_told_or_read_as_text(make_project: Make) -> None:
    """A number column with a word late in the file: the kind is settled on all rows, and `check` says which."""
    rows = "".join(f"{i},{'yes' if i % 2 else 'no'}\n" for i in range(300)) + "abc,yes\n"
    folder = make_project("data: {source: toy.csv, target: label, columns: {age: number}}\nmodel: {name: linear}\n")
    (folder / "toy.csv").write_text("age,label\n" + rows)
    done = refused("run", cwd=folder)
    assert "abc" in done.err and "age" in done.err


def test_bad_encoding_is_read_or_told(make_project: Make) -> None:
    folder = make_project("data: {source: toy.csv, target: label}\nmodel: {name: linear}\nevaluate: {bootstrap: 10}\n")
    text = "age,city,label\n" + "".join(f"{i},Kraków,{'yes' if i % 3 else 'no'}\n" for i in range(90))
    (folder / "toy.csv").write_bytes(text.encode("utf-8") + b"1,\xff\xfe\x00,yes\n")
    done = call("check", "--json", cwd=folder, code=None)
    assert done.code in (0, 2) and "Traceback" not in done.err and "did not expect" not in done.err


@pytest.mark.parametrize(
    "override",
    ["nonsense", "=3", "model.options.=3", "data.source.deep=1", "modelz.name=linear", "evaluate.bootstrap=x"],
)
def test_set_nonsense(override: str, make_project: Make) -> None:
    folder = make_project(SPEC, toy=toy_frame(60))
    refused("plan", "--set", override, cwd=folder)


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"], ["run", "--nonsense"], ["predict"], ["predict", "new.csv"], ["show", "20990101"],
        ["run", "--force", "nonsense"], ["components", "modelss"], ["components", "models", "linearr"],
        ["init", ".", "--example", "irys"], ["init", "--example", "iris"], ["promote", "7"], ["rollback"], ["trace"],
        ["compare", "1", "2"], ["report"], ["evaluate", "--data", "toy.csv"], ["init", "new", "--data", "gone.csv"],
        ["init", "new", "--data", "toy.csv", "--target", "labell"], ["init", "new", "--data", "a", "--example", "iris"],
        ["runs", "--last", "0"], ["runs", "--project", "/no/such/folder"], ["doctor", "--project", "/no/such/folder"],
        ["schema", "-o", "/proc/nonsense/schema.json"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_arguments(arguments: list[str], make_project: Make) -> None:
    folder = make_project(SPEC, toy=toy_frame(60))
    spec = (folder / "treadle.yaml").read_text()
    refused(*arguments, cwd=folder)
    assert (folder / "treadle.yaml").read_text() == spec
    assert not (folder / "new").exists()


def test_no_project_here(tmp_path: Path) -> None:
    done = refused("run", cwd=tmp_path)
    assert "treadle init" in done.err
    assert list(tmp_path.iterdir()) == []


def test_several_mistakes_are_told_at_once(make_project: Make) -> None:
    folder = make_project("data: {source: toy.csv, targett: x}\nmodelz: {}\nsplit: {test: 2}", toy=toy_frame(60))
    error = refused("check", cwd=folder).json["error"]
    assert len(error["others"]) == 2


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained") / "toys"
    folder.mkdir()
    (folder / "treadle.yaml").write_text(SPEC)
    toy_frame(120).write_csv(folder / "toy.csv")
    call("run", "-q", cwd=folder)
    return folder


def _bundle(folder: Path) -> Path:
    return Path(call("show", "--json", cwd=folder).json["bundle"])


@pytest.mark.parametrize("name", ["bundle.json", "schema.json", "predictor/predictor.json"])
def test_a_corrupted_bundle_is_refused(name: str, trained: Path, tmp_path: Path) -> None:
    copy = tmp_path / "bundle"
    shutil.copytree(_bundle(trained), copy)
    raw = bytearray((copy / name).read_bytes())
    raw[len(raw) // 2] ^= 1
    (copy / name).write_bytes(raw)
    refused("predict", "toy.csv", "-o", tmp_path / "out.csv", "--model", copy, cwd=trained)
    assert not (tmp_path / "out.csv").exists()


def test_a_bundle_of_a_newer_format_is_refused(trained: Path, tmp_path: Path) -> None:
    copy = tmp_path / "bundle"
    shutil.copytree(_bundle(trained), copy)
    manifest = json.loads((copy / "bundle.json").read_text())
    (copy / "bundle.json").write_text(json.dumps({**manifest, "format": 99}))
    assert "format 99" in refused("evaluate", "--data", "toy.csv", "--model", copy, cwd=trained).err


def test_rows_that_do_not_fit_the_model(trained: Path, tmp_path: Path) -> None:
    toy_frame(20).drop("age").write_csv(tmp_path / "absent.csv")
    toy_frame(20).with_columns(age=pl.Series(["1"] * 19 + ["old"])).write_csv(tmp_path / "text.csv")
    toy_frame(20).with_columns(label=pl.lit("maybe")).write_csv(tmp_path / "label.csv")
    (tmp_path / "empty.csv").write_text("")
    out = tmp_path / "out.csv"
    assert "age" in refused("predict", tmp_path / "absent.csv", "-o", out, cwd=trained).err
    assert "old" in refused("predict", tmp_path / "text.csv", "-o", out, cwd=trained).err
    assert "maybe" in refused("evaluate", "--data", tmp_path / "label.csv", cwd=trained).err
    for verb in (["predict", "-o", out], ["explain"], ["evaluate", "--data"]):
        refused(verb[0], *verb[1:], tmp_path / "empty.csv", cwd=trained)
    refused("explain", "toy.csv", "--method", "shapp", cwd=trained)
    refused("explain", "toy.csv", "--label", "maybe", cwd=trained)
    refused("evaluate", "--data", "toy.csv", "--metric", "accuracyy", cwd=trained)
    refused("predict", "toy.csv", "-o", tmp_path / "out.xlsx", cwd=trained)
    refused("predict", "toy.csv", "-o", tmp_path, cwd=trained)
    refused("predict", "toy.csv", "-o", out, "--keep", "agge", cwd=trained)
    refused("predict", "toy.csv", "-o", "-", cwd=trained)
    refused("predict", "toy.csv", "-o", out, "--model", "champoin", cwd=trained)
    assert not list(tmp_path.glob("*out*"))


def test_a_workspace_of_a_newer_format_is_refused(make_project: Make) -> None:
    folder = make_project(SPEC, toy=toy_frame(60))
    (folder / ".treadle").mkdir()
    (folder / ".treadle" / "workspace.json").write_text('{"format": 99}')
    assert "format 99" in refused("run", cwd=folder).err


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written(make_project: Make) -> None:
    folder = make_project(SPEC, toy=toy_frame(60))
    folder.chmod(0o555)
    try:
        assert "permission denied" in refused("run", cwd=folder).err
    finally:
        folder.chmod(0o755)


def test_a_file_stands_where_the_workspace_should(make_project: Make) -> None:
    folder = make_project(SPEC, toy=toy_frame(60))
    (folder / ".treadle").write_text("mine")
    for verb in ("plan", "run"):
        assert ".treadle" in refused(verb, cwd=folder).err
    assert (folder / ".treadle").read_text() == "mine"


def test_interrupted_and_taken_up_again(make_project: Make) -> None:
    """Ctrl-C in the middle of a stage: 130, nothing half there, and the same command completes."""
    folder = make_project(SPEC, toy=toy_frame(200))
    command = [sys.executable, "-m", "treadle", "run", "--json", "-v"]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        assert running.stderr and running.stdout
        for line in running.stderr:
            if line.split()[:2] == ["...", "train"]:
                running.send_signal(signal.SIGINT)
                break
        told = running.stderr.read()
        answer = json.loads(running.stdout.read())
        assert running.wait(60) == 130
    assert answer["error"]["problem"] == "stopped" and "Traceback" not in told
    assert runs_of(folder) == [] and not list((folder / ".treadle").rglob("*.tmp"))
    done = call("run", "--json", cwd=folder)
    assert [stage["cached"] for stage in done.json["stages"]][:3] == [True, True, True]
