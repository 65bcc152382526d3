"""The bundle on disk: whole or refused, relocatable, free of paths and pickles, and quick to load."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from conftest import toy_frame
from treadle.core.errors import TreadleError
from treadle.core.files import hash_file, hash_value
from treadle.core.jsonable import dumps, read_json
from treadle.core.predictor import Predictor
from treadle.core.registry import load
from treadle.core.types import Context, Field, Schema
from treadle.store.bundle import FORMAT, load_bundle, verify_bundle, write_bundle
from treadle.store.examples import choose
from treadle.store.mlmodel import mlflow_files
from treadle.testing.bundle import check_bundle

SCHEMA = Schema(
    (
        Field("age", "number", "Int64"),
        Field("income", "number", "Float64", missing=0.05),
        Field("city", "category", "String"),
        Field("member", "boolean", "Boolean"),
        Field("label", "category", "String", role="target", categories=("no", "yes")),
    ),
    "label",
)
FACTS = {"name": "toy", "run": "20260101-000000-abcdef", "versions": {}, "made": "2026-01-01T00:00:00+00:00"}


def make(folder: Path, model: str = "linear") -> Path:
    predictor = Predictor(schema=SCHEMA, task="classification", model_name=model, classes=("no", "yes"))
    frame = toy_frame()
    predictor.fit(predictor.align(frame, target=True), None, Context("classification", threads=1))
    predictor.save(folder / "saved")
    rows = choose(frame.select(item.name for item in SCHEMA.features))
    baseline = tuple(load("modalities", item.kind)().profile(frame[item.name]) for item in SCHEMA.features)
    texts = mlflow_files(SCHEMA, {"prediction": "String"}, {}, run=str(FACTS["run"]), made=str(FACTS["made"]))
    goal = folder / "bundle"
    write_bundle(goal, folder / "saved", predictor, examples=rows, baseline=baseline, facts=FACTS, texts=texts)
    return goal


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("bundle"))


@pytest.fixture
def bundle(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "elsewhere" / "bundle"))


def forge(folder: Path, change: Callable[[dict], None]) -> None:
    """What somebody does who knows the format: sums and digest fit again."""
    manifest = read_json(folder / "bundle.json")
    manifest["sums"] = {
        path.relative_to(folder).as_posix(): hash_file(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "bundle.json"
    }
    change(manifest)
    manifest.pop("digest")
    manifest["digest"] = hash_value(manifest)
    (folder / "bundle.json").write_text(dumps(manifest, indent=2) + "\n")


def test_it_answers_the_same_wherever_it_lies(bundle: Path, made: Path) -> None:
    frame = toy_frame(50, seed=3)
    one, other = load_bundle(bundle, trusted=True), load_bundle(made, trusted=True)
    assert one.digest == other.digest and one.predict(frame).equals(other.predict(frame))
    assert one.examples().height == 20 and len(one.baseline) == 4
    everything = b"".join(path.read_bytes() for path in made.rglob("*") if path.is_file())
    assert str(made.parent).encode() not in everything and os.getcwd().encode() not in everything


def test_the_same_inputs_give_the_same_bytes(made: Path, tmp_path: Path) -> None:
    again = make(tmp_path)
    assert read_json(again / "bundle.json") == read_json(made / "bundle.json")


def test_a_byte_flipped_in_any_file_is_refused(bundle: Path) -> None:
    files = [path for path in sorted(bundle.rglob("*")) if path.is_file()]
    assert len(files) > 8
    for path in files:
        good = path.read_bytes()
        for at in {0, len(good) // 2, len(good) - 1}:
            bad = bytearray(good)
            bad[at] ^= 0x01
            path.write_bytes(bytes(bad))
            with pytest.raises(TreadleError):
                verify_bundle(bundle)
        path.write_bytes(good)
    verify_bundle(bundle)


def test_a_missing_an_extra_and_a_cut_file_are_refused(bundle: Path) -> None:
    for path in [path for path in sorted(bundle.rglob("*")) if path.is_file()]:
        good = path.read_bytes()
        path.unlink()
        with pytest.raises(TreadleError):
            verify_bundle(bundle)
        path.write_bytes(good[:-1])
        with pytest.raises(TreadleError):
            verify_bundle(bundle)
        path.write_bytes(good)
    (bundle / "predictor" / "model" / "extra.py").write_text("import os")
    with pytest.raises(TreadleError, match=r"extra\.py"):
        verify_bundle(bundle)


def test_links_and_ways_out_are_refused(bundle: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside.json"
    shutil.copy(bundle / "schema.json", outside)
    (bundle / "schema.json").unlink()
    (bundle / "schema.json").symlink_to(outside)
    with pytest.raises(TreadleError, match="plain files"):
        verify_bundle(bundle)
    (bundle / "schema.json").unlink()
    shutil.copy(outside, bundle / "schema.json")
    forge(bundle, lambda manifest: manifest["sums"].update({"../../outside.json": hash_file(outside)}))
    with pytest.raises(TreadleError):
        verify_bundle(bundle)


def test_a_newer_format_says_what_to_do(bundle: Path) -> None:
    forge(bundle, lambda manifest: manifest.update(format=FORMAT + 1))
    with pytest.raises(TreadleError, match=f"format {FORMAT + 1}") as caught:
        load_bundle(bundle)
    assert caught.value.remedy == "pip install --upgrade treadle"


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 1, "sums": {"a": 1}}', "[" * 100_000, "\x00"])
def test_a_broken_manifest_is_one_clear_error(bundle: Path, text: str) -> None:
    (bundle / "bundle.json").write_text(text)
    with pytest.raises(TreadleError):
        load_bundle(bundle)


def test_other_answers_than_before_are_refused(bundle: Path) -> None:
    path = bundle / "predictor" / "model" / "bias.npy"
    np.save(path, np.load(path) + 0.5)
    forge(bundle, lambda manifest: manifest.update(versions={"numpy": "0.1"}))
    with pytest.raises(TreadleError, match="answers differently") as caught:
        load_bundle(bundle, trusted=True)
    assert "numpy 0.1" in str(caught.value.expected)


def test_other_libraries_with_the_same_answers_are_fine(bundle: Path) -> None:
    forge(bundle, lambda manifest: manifest.update(versions={"numpy": "0.1"}))
    assert load_bundle(bundle, trusted=True).facts["versions"] == {"numpy": "0.1"}


def test_hostile_examples_are_one_clear_error(bundle: Path) -> None:
    for text in (
        "{}",
        '{"rows": 1, "answers": []}',
        '{"rows": [], "answers": []}',
        '{"rows": [{"a": 1}], "answers": []}',
    ):
        (bundle / "examples.json").write_text(text)
        forge(bundle, lambda manifest: None)
        with pytest.raises(TreadleError):
            load_bundle(bundle, trusted=True)


def test_a_bundle_of_unknown_origin_is_tried_in_a_process_of_its_own(
    bundle: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert load_bundle(bundle).digest
    started = time.perf_counter()
    load_bundle(bundle)
    assert time.perf_counter() - started < 0.5
    path = bundle / "predictor" / "model" / "weights.npy"
    np.save(path, np.zeros((7, 3)))
    forge(bundle, lambda manifest: None)
    with pytest.raises(TreadleError, match="weights"):
        load_bundle(bundle)
    assert capfd.readouterr().out == ""


def test_one_row_is_quick(made: Path) -> None:
    loaded = load_bundle(made, trusted=True)
    row = toy_frame(1)
    loaded.predict(row)
    spent = []
    for _ in range(50):
        started = time.perf_counter()
        loaded.predict(row)
        spent.append(time.perf_counter() - started)
    assert sorted(spent)[5] < 0.005


def test_it_predicts_nothing_for_no_rows(made: Path) -> None:
    answer = load_bundle(made, trusted=True).predict(toy_frame(5).head(0))
    assert answer.height == 0 and answer.columns == ["prediction", "probability_no", "probability_yes"]


def test_a_row_as_json_gets_the_same_answer(made: Path) -> None:
    loaded = load_bundle(made, trusted=True)
    rows = toy_frame(5)
    plain = pl.DataFrame(json.loads(json.dumps(rows.to_dicts())))
    assert loaded.predict(plain).equals(loaded.predict(rows))


@pytest.mark.parametrize("model", ["linear", "lightgbm"])
def test_the_contract_of_bundles(model: str, tmp_path: Path) -> None:
    if model != "linear":
        pytest.importorskip(model)
    check_bundle(make(tmp_path, model))


def test_the_check_itself_finds_what_is_wrong(bundle: Path) -> None:
    (bundle / "treadle.txt").write_text(str(bundle.resolve()))
    forge(bundle, lambda manifest: None)
    with pytest.raises(AssertionError, match="path of a machine"):
        check_bundle(bundle)
