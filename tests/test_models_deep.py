"""The networks for tables: what they learn, how they end and go on, and what they refuse to read."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from treadle.core.errors import TreadleError
from treadle.core.events import Event, Events
from treadle.core.registry import build, load
from treadle.core.types import Block, Context, Features, Schema
from treadle.models._deep import bins_of, piecewise

SMALL = {
    "mlp": {"width": 32, "layers": 1, "embed": 4, "bins": 8, "learning_rate": 5e-3},
    "keras": {"width": 32, "layers": 1, "bins": 8, "learning_rate": 1e-2},
}
NAMES = tuple(SMALL)


def features(rows: int, classes: int = 0, seed: int = 0) -> Features:
    """Two numbers with gaps, a category column with missing codes, and a target that depends on all."""
    rng = np.random.default_rng(seed)
    numbers = rng.normal(size=(rows, 2)).astype(np.float32)
    codes = rng.integers(-1, 6, (rows, 1)).astype(np.int32)
    score = np.abs(numbers[:, 0]) + (codes[:, 0] % 3 == 1) + rng.normal(size=rows) * 0.2
    target = (score > 1).astype(np.int64) if classes else score * 50 + 1000
    numbers[::9, 1] = np.nan
    blocks = {
        "category": Block(codes, ("a",), ("a",), "category", (6,)),
        "number": Block(numbers, ("x", "y"), ("x", "y")),
    }
    return Features(blocks, pl.DataFrame({"x": numbers[:, 0]}), Schema(()), target)


def context(classes: int = 0, **given: object) -> Context:
    return Context("classification" if classes else "regression", classes, **given)  # type: ignore[arg-type]


def test_piecewise_says_how_far_through_each_bin() -> None:
    low, span = bins_of(np.array([[0.0], [1.0], [2.0]], dtype=np.float32), 2)
    found = piecewise(np.array([[-5.0], [0.5], [1.5], [9.0], [np.nan]], dtype=np.float32), low, span)
    assert found.tolist() == [[0, 0, 0], [0.5, 0, 0], [1, 0.5, 0], [1, 1, 0], [0, 0, 1]]


def test_bins_of_few_and_of_no_values() -> None:
    columns = np.array([[3.0, np.nan], [3.0, np.nan]], dtype=np.float32)
    low, span = bins_of(columns, 4)
    assert np.isfinite(piecewise(columns, low, span)).all()
    assert (span > 0).all()


@pytest.mark.parametrize("classes", [0, 2])
@pytest.mark.parametrize("name", NAMES)
def test_learns_stops_early_and_comes_back_the_same(name: str, classes: int, tmp_path: Path, capfd) -> None:
    model = build("models", name, {**SMALL[name], "patience": 3, "epochs": 30})
    test = features(300, classes, seed=2)
    model.fit(features(800, classes), features(200, classes, seed=1), context(classes))
    found = model.predict(test)
    if classes:
        assert ((found["probability_1"].to_numpy() > 0.5) == test.target).mean() > 0.85
    else:
        assert np.sqrt(((found["prediction"].to_numpy() - test.target) ** 2).mean()) < 0.5 * test.target.std()
    assert 1 <= model.settled()["epochs"] <= 30
    model.save(tmp_path)
    assert load("models", name)().load(tmp_path).predict(test).equals(found)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", NAMES)
def test_a_wish_to_stop_keeps_what_is_there(name: str) -> None:
    events = Events()
    events.stop()
    model = build("models", name, {**SMALL[name], "epochs": 10_000})
    assert model.fit(features(200, 2), None, context(2, events=events)).predict(features(7, 2)).height == 7


@pytest.mark.parametrize("name", NAMES)
def test_files_that_do_not_fit_are_refused(name: str, tmp_path: Path) -> None:
    model = build("models", name, {**SMALL[name], "epochs": 1}).fit(features(100, 2), None, context(2))
    model.save(tmp_path)
    facts = json.loads((tmp_path / "model.json").read_text())
    changes = ({"width": 33}, {"width": 10**9}, {"layers": -1}, {"sizes": [2**40]}, {"classes": 3}, {"numbers": 1})
    changes += ({"scale": ["a", 1]}, {"bins": True}, {"sizes": None}, {"scale": [0.0, None]})
    for change in changes:
        (tmp_path / "model.json").write_text(json.dumps({**facts, **change}))
        with pytest.raises(TreadleError):
            load("models", name)().load(tmp_path)
    (tmp_path / "model.json").write_text(json.dumps(facts))
    path = tmp_path / "model.safetensors"
    whole = path.read_bytes()
    nan = whole[:-400] + np.full(100, np.nan, dtype="<f4").tobytes()
    for bad in (b"", whole[:50], whole[:-1], b"\xff" * 8 + whole[8:], whole.replace(b"F32", b"I32", 1), nan):
        path.write_bytes(bad)
        with pytest.raises(TreadleError):
            load("models", name)().load(tmp_path)


def test_weights_count() -> None:
    train = features(400, 2)
    heavy = replace(train, weight=np.where(train.target == 1, 10.0, 1.0))
    means = [
        build("models", "mlp", {**SMALL["mlp"], "epochs": 6}).fit(part, None, context(2)).predict(train)
        for part in (train, heavy)
    ]
    assert means[1]["probability_1"].mean() > means[0]["probability_1"].mean() + 0.05


def test_the_logarithm_of_a_target() -> None:
    train = replace(features(400), target=np.exp(features(400).target / 200))
    found = build("models", "mlp", {**SMALL["mlp"], "epochs": 10, "log_target": True}).fit(train, None, context())
    assert found.predict(train)["prediction"].to_numpy().min() > 0
    with pytest.raises(TreadleError, match="never below 0"):
        build("models", "mlp", {"log_target": True}).fit(replace(train, target=-train.target), None, context())


def test_a_fit_that_broke_off_goes_on_as_if_it_had_not(tmp_path: Path) -> None:
    options = {**SMALL["mlp"], "epochs": 6}
    train, valid = features(300, 2), features(100, 2, seed=1)
    straight = build("models", "mlp", options).fit(train, valid, context(2)).predict(valid)

    class Killed(BaseException):
        pass

    class Dying(Events):
        count = 0

        @property
        def stopping(self) -> bool:
            self.count += 1
            if self.count > 30:
                raise Killed
            return False

    with pytest.raises(Killed):
        build("models", "mlp", options).fit(train, valid, context(2, folder=tmp_path, events=Dying()))
    assert len(list(tmp_path.iterdir())) == 1
    told: list[Event] = []
    again = build("models", "mlp", options)
    found = again.fit(train, valid, context(2, folder=tmp_path, events=Events(told.append))).predict(valid)
    assert np.allclose(found.to_numpy(), straight.to_numpy(), atol=1e-6)
    assert not list(tmp_path.iterdir())
