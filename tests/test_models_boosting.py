"""LightGBM, XGBoost and CatBoost: what they learn, what they keep, and what they refuse to read."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from treadle.core.errors import TreadleError
from treadle.core.events import Event, Events
from treadle.core.registry import build, load
from treadle.core.types import Block, Context, Features, Schema

NAMES = ("lightgbm", "xgboost", "catboost")
FILES = {"lightgbm": "model.txt", "xgboost": "trees.json", "catboost": "trees.json"}
CODES = 12


def features(rows: int, classes: int = 0, seed: int = 0) -> Features:
    """Three numbers with gaps, two category columns with missing codes, and a target that depends on them."""
    rng = np.random.default_rng(seed)
    numbers = rng.normal(size=(rows, 3)).astype(np.float32)
    codes = rng.integers(-1, CODES, (rows, 2)).astype(np.int32)
    score = numbers[:, 0] + (codes[:, 0] % 3 == 1) + 0.5 * numbers[:, 2] ** 2 + rng.normal(size=rows) * 0.3
    target = score.astype(np.float64)
    if classes:
        target = np.digitize(score, [0.8, 1.8][: classes - 1]).astype(np.int64)
    numbers[::7, 1] = np.nan
    blocks = {
        "category": Block(codes, ("a", "b"), ("a", "b"), "category", (CODES, CODES)),
        "number": Block(numbers, ("x", "y", "z"), ("x", "y", "z")),
    }
    return Features(blocks, pl.DataFrame({"x": numbers[:, 0]}), Schema(()), target)


def take(whole: Features, rows: slice) -> Features:
    blocks = {name: replace(block, values=block.values[rows]) for name, block in whole.blocks.items()}
    return replace(whole, blocks=blocks, frame=whole.frame[rows], target=None)


def context(classes: int = 0, **given: object) -> Context:
    return Context("classification" if classes else "regression", classes, **given)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def fitted() -> Callable[[str, int], object]:
    kept: dict[tuple[str, int], object] = {}

    def get(name: str, classes: int) -> object:
        if (name, classes) not in kept:
            levels = () if classes else (0.1, 0.9)
            model = build("models", name, {"rounds": 40})
            kept[name, classes] = model.fit(features(1200, classes), None, context(classes, quantiles=levels))
        return kept[name, classes]

    return get


@pytest.mark.parametrize("classes", [0, 2, 3])
@pytest.mark.parametrize("name", NAMES)
def test_learns_and_comes_back_the_same(name: str, classes: int, fitted, tmp_path: Path) -> None:
    model, test = fitted(name, classes), features(600, classes, seed=1)
    found = model.predict(test)
    if classes:
        chosen = found.to_numpy().argmax(axis=1)
        assert (chosen == test.target).mean() > 0.75
        assert np.allclose(found.to_numpy().sum(axis=1), 1.0, atol=1e-6)
    else:
        assert found.columns == ["prediction", "quantile_0.1", "quantile_0.9"]
        assert np.sqrt(((found["prediction"].to_numpy() - test.target) ** 2).mean()) < 0.7 * test.target.std()
        assert (found["quantile_0.1"] <= found["quantile_0.9"]).all()
    model.save(tmp_path)
    again = load("models", name)().load(tmp_path)
    assert again.predict(test).equals(found)
    assert again.predict(take(test, slice(0, 1))).equals(found[:1])
    assert again.predict(take(test, slice(0, 0))).schema == found.schema
    assert again.importance().shape == (5,)
    again.save(tmp_path)


@pytest.mark.parametrize("classes", [0, 2, 3])
@pytest.mark.parametrize("name", NAMES)
def test_contributions_add_up(name: str, classes: int, fitted, capfd) -> None:
    model, test = fitted(name, classes), features(50, classes, seed=2)
    parts = model.contributions(test)
    total = parts.sum(axis=-1)
    found = model.predict(test).to_numpy()
    if classes == 3:
        assert parts.shape == (50, 3, 6)
        odds = np.exp(total - total.max(axis=1, keepdims=True))
        assert np.allclose(odds / odds.sum(axis=1, keepdims=True), found, atol=1e-4)
    elif classes == 2:
        assert parts.shape == (50, 6)
        assert np.allclose(1 / (1 + np.exp(-total)), found[:, 1], atol=1e-4)
    else:
        assert np.allclose(total, found[:, 0], atol=1e-4)
    assert model.contributions(take(test, slice(0, 0))).shape == (0, *parts.shape[1:])
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", NAMES)
def test_stops_early_and_settles(name: str) -> None:
    model = build("models", name, {"patience": 5, "learning_rate": 0.3})
    model.fit(features(600, 2), features(300, 2, seed=1), context(2))
    rounds = model.settled()["rounds"]
    assert 1 <= rounds < 300
    again = build("models", name, {"learning_rate": 0.3, **model.settled()})
    again.fit(features(600, 2), None, context(2))
    assert again.settled() == {"rounds": rounds}


@pytest.mark.parametrize("name", NAMES)
def test_same_seed_same_model(name: str) -> None:
    train, test = features(500, 2), features(100, 2, seed=1)
    found = [build("models", name, {"rounds": 15}).fit(train, None, context(2, seed=3)).predict(test) for _ in range(2)]
    assert found[0].equals(found[1])


@pytest.mark.parametrize("name", NAMES)
def test_weights_move_the_prediction(name: str) -> None:
    train = features(600, 2)
    heavy = replace(train, weight=np.where(train.target == 1, 20.0, 1.0))
    plain, tilted = (
        build("models", name, {"rounds": 15}).fit(part, None, context(2)).predict(train)["probability_1"].mean()
        for part in (train, heavy)
    )
    assert tilted > plain + 0.05


@pytest.mark.parametrize("name", NAMES)
def test_a_wish_to_stop_keeps_what_is_there(name: str) -> None:
    events = Events()
    events.stop()
    model = build("models", name, {"rounds": 100_000}).fit(features(300, 2), None, context(2, events=events))
    assert model.settled()["rounds"] < 5
    assert model.predict(features(10, 2)).height == 10


@pytest.mark.parametrize("name", NAMES)
def test_the_budget_holds_and_progress_is_told(name: str) -> None:
    told: list[Event] = []
    train = features(2000)
    build("models", name, {"rounds": 1}).fit(train, None, context())
    started = time.perf_counter()
    model = build("models", name, {"rounds": 100_000})
    model.fit(train, None, context(budget=1.2, quantiles=(0.5,), events=Events(told.append)))
    assert time.perf_counter() - started < 8
    assert model.predict(train).height == 2000
    assert any(event.name == "progress" for event in told)


@pytest.mark.parametrize("name", NAMES)
def test_odd_data(name: str) -> None:
    def fit(train: Features, classes: int, rounds: int = 5) -> pl.DataFrame:
        return build("models", name, {"rounds": rounds}).fit(train, None, context(classes)).predict(train)

    few = features(5, 2)
    assert fit(few, 2).height == 5
    assert fit(replace(features(50, 2), target=np.ones(50, dtype=np.int64)), 2)["probability_1"].min() > 0.5
    absent = fit(replace(features(90, 3), target=np.array([0, 2] * 45)), 3, 30)
    assert absent.width == 3
    assert absent["probability_1"].max() < 0.3
    target = np.arange(60.0)
    frame = pl.DataFrame({"x": target})
    gone = Block(np.full((60, 2), np.nan, np.float32), ("x", "y"), ("x", "y"))
    for blocks in ({"number": gone}, {}):
        assert fit(Features(blocks, frame, Schema(()), target), 0)["prediction"][0] == pytest.approx(29.5, abs=3)


@pytest.mark.parametrize("name", NAMES)
def test_wrong_width_is_one_clear_error(name: str, fitted) -> None:
    narrow = features(5)
    narrow = replace(narrow, blocks={"number": narrow.blocks["number"]})
    with pytest.raises(TreadleError, match="5 columns"):
        fitted(name, 0).predict(narrow)


# -- hostile files: whatever stands in them, loading and predicting ends in an answer or in a TreadleError


def damaged(name: str, text: str, rng: np.random.Generator, count: int) -> list[str]:
    """Texts with a number replaced by one that points elsewhere, or with bytes changed, cut or repeated."""
    numbers = [match.span() for match in re.finditer(r"-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?", text)]
    evil = (
        "-1 -2 0 1 7 99999 2147483647 -2147483648 4294967296 18446744073709551616 1e308 1e999 nan 0.5 null []".split()
    )
    found = []
    for _ in range(count):
        kind = rng.integers(4)
        if kind <= 1:
            low, high = numbers[rng.integers(len(numbers))]
            found.append(text[:low] + evil[rng.integers(len(evil))] + text[high:])
        elif kind == 2:
            place = int(rng.integers(len(text)))
            found.append(text[:place] + chr(int(rng.integers(32, 127))) + text[place + 1 :])
        else:
            low, high = sorted(int(place) for place in rng.integers(0, len(text), 2))
            found.append(text[:low] + text[high:] if rng.random() < 0.5 else text[:high] + text[low:])
    return found


PROBE = """
import sys, shutil
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import test_models_boosting as t
name, folder, classes = sys.argv[2], Path(sys.argv[3]), int(sys.argv[4])
rows = t.features(300, classes, seed=5)
refused = 0
for number, file in enumerate(sorted((folder / "bad").iterdir())):
    (folder / "now").write_text(file.name)
    shutil.copy(file, folder / "model" / t.FILES[name])
    try:
        model = t.load("models", name)().load(folder / "model")
        model.predict(rows)
        model.importance()
        if number % 5 == 0:
            model.contributions(t.take(rows, slice(0, 5)))
    except t.TreadleError:
        refused += 1
print(refused)
"""


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("name", NAMES)
def test_a_damaged_model_never_crashes(name: str, classes: int, tmp_path: Path) -> None:
    model = build("models", name, {"rounds": 4}).fit(features(400, classes), None, context(classes))
    (tmp_path / "model").mkdir()
    (tmp_path / "bad").mkdir()
    model.save(tmp_path / "model")
    text = (tmp_path / "model" / FILES[name]).read_text()
    count = 100
    for number, bad in enumerate(damaged(name, text, np.random.default_rng(classes), count)):
        (tmp_path / "bad" / f"{number:04}").write_text(bad)
    done = subprocess.run(
        [sys.executable, "-c", PROBE, str(Path(__file__).parent), name, str(tmp_path), str(classes)],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, f"{(tmp_path / 'now').read_text()}: {done.stderr[-2000:]}"
    assert int(done.stdout.split()[-1]) > count / 2


def edit(name: str, path: Path, change: Callable[[object], None]) -> None:
    """Change the parsed JSON of a model file."""
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))


def xgb_tree(data: object) -> dict:
    return data["learner"]["gradient_booster"]["model"]["trees"][0]  # type: ignore[index]


CRAFTED = {
    "xgboost": [
        lambda d: xgb_tree(d)["left_children"].__setitem__(0, 10**6),
        lambda d: xgb_tree(d)["left_children"].__setitem__(1, 0),
        lambda d: xgb_tree(d)["split_indices"].__setitem__(0, 5),
        lambda d: xgb_tree(d)["split_type"].__setitem__(-1, 1),
        lambda d: xgb_tree(d)["categories_sizes"].__setitem__(0, 2**30),
        lambda d: xgb_tree(d)["categories"].__setitem__(0, 2**31),
        lambda d: xgb_tree(d)["split_conditions"].__setitem__(0, float("nan")),
        lambda d: d["learner"]["learner_model_param"].__setitem__("base_score", "[nan]"),
        lambda d: d["learner"]["gradient_booster"]["model"]["trees"].clear(),
    ],
    "catboost": [
        lambda d: d["oblivious_trees"][0]["splits"][0].__setitem__("split_index", 10**6),
        lambda d: d["oblivious_trees"][0]["leaf_values"].pop(),
        lambda d: d["oblivious_trees"][0]["leaf_values"].__setitem__(0, float("nan")),
        lambda d: d["features_info"]["float_features"].pop(),
        lambda d: d["features_info"]["ctrs"][0]["elements"][0].__setitem__("cat_feature_index", 9),
        lambda d: d["features_info"]["ctrs"][0].__setitem__("target_border_idx", 5),
        lambda d: next(iter(d["ctr_data"].values())).__setitem__("hash_stride", 7),
        lambda d: next(iter(d["ctr_data"].values()))["hash_map"].pop(),
        lambda d: d["ctr_data"].clear(),
    ],
}


@pytest.mark.parametrize("name", ["xgboost", "catboost"])
def test_crafted_models_are_refused(name: str, fitted, tmp_path: Path) -> None:
    fitted(name, 2).save(tmp_path)
    whole = (tmp_path / FILES[name]).read_bytes()
    for number, change in enumerate(CRAFTED[name]):
        (tmp_path / FILES[name]).write_bytes(whole)
        edit(name, tmp_path / FILES[name], change)
        with pytest.raises(TreadleError):
            load("models", name)().load(tmp_path)
            pytest.fail(f"change {number} was taken")


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("left_child", lambda values: ["99999", *values[1:]]),
        ("right_child", lambda values: ["0", *values[1:]]),
        ("left_child", lambda values: ["-40000", *values[1:]]),
        ("split_feature", lambda values: ["5", *values[1:]]),
        ("split_feature", lambda values: ["-1", *values[1:]]),
        ("leaf_value", lambda values: ["nan", *values[1:]]),
        ("leaf_value", lambda values: values[1:]),
        ("num_leaves", lambda values: ["2000000000"]),
        ("num_leaves", lambda values: ["-3"]),
        ("num_cat", lambda values: ["1000000"]),
        ("cat_boundaries", lambda values: ["0", "99999", *values[2:]]),
        ("cat_threshold", lambda values: values[1:]),
        ("threshold", lambda values: ["77" for _ in values]),
        ("is_linear", lambda values: ["1"]),
    ],
)
def test_crafted_lightgbm_models_are_refused(field: str, change, fitted, tmp_path: Path) -> None:
    fitted("lightgbm", 2).save(tmp_path)
    path = tmp_path / "model.txt"
    lines = path.read_text().split("\n")
    place = next(number for number, line in enumerate(lines) if line.startswith(f"{field}="))
    lines[place] = f"{field}=" + " ".join(change(lines[place].partition("=")[2].split(" ")))
    path.write_text("\n".join(lines))
    with pytest.raises(TreadleError):
        load("models", "lightgbm")().load(tmp_path)


@pytest.mark.parametrize("name", NAMES)
def test_the_facts_are_checked(name: str, fitted, tmp_path: Path) -> None:
    fitted(name, 2).save(tmp_path)
    good = json.loads((tmp_path / "model.json").read_text())
    for change in (
        {"classes": 3},
        {"classes": -1},
        {"width": 4},
        {"width": 10**9},
        {"quantiles": [2.0]},
        {"rounds": "x"},
    ):
        (tmp_path / "model.json").write_text(json.dumps({**good, **change}))
        with pytest.raises(TreadleError):
            load("models", name)().load(tmp_path).predict(features(5, 2))
