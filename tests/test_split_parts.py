"""Splits: no row, group or future in two parts, shares as asked, every labelled row in exactly one part."""

from __future__ import annotations

import datetime
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from treadle.core.errors import TreadleError
from treadle.spec.split import Split
from treadle.stages.split import Chosen, split_rows

SHARES = st.tuples(st.sampled_from([0.1, 0.2, 0.3]), st.sampled_from([0.0, 0.1, 0.2]), st.integers(0, 5))


def cut(frame: pl.DataFrame, task: str = "classification", **given: Any) -> Chosen:
    columns = {name: given.pop(name) for name in ("target", "time", "group") if name in given}
    return split_rows(frame, Split(**given), task, **columns)


def sizes(chosen: Chosen) -> list[int]:
    return [int((chosen.part == part).sum()) for part in range(3)]


@settings(max_examples=60, deadline=None)
@given(
    labels=st.lists(st.sampled_from(["a", "b", "c", "d", None, " "]), min_size=20, max_size=300),
    shares=SHARES,
)
def test_random_keeps_classes_in_proportion(labels: list[str | None], shares: tuple[float, float, int]) -> None:
    test, valid, seed = shares
    frame = pl.DataFrame({"y": labels}, schema={"y": pl.String})
    kept = frame["y"].is_in(["a", "b", "c", "d"]).fill_null(False).to_numpy()
    counts = frame.filter(pl.Series(kept))["y"].value_counts()
    if counts.height < 2 or int(counts["count"].min()) < 2:
        with pytest.raises(TreadleError):
            cut(frame, target="y", method="random", test=test, valid=valid, seed=seed)
        return
    chosen = cut(frame, target="y", method="random", test=test, valid=valid, seed=seed)
    assert ((chosen.part >= 0) == kept).all()
    total = kept.sum()
    assert abs(sizes(chosen)[2] - total * test) <= 5
    assert abs(sizes(chosen)[1] - total * valid) <= 5
    for label in counts["y"]:
        mine = chosen.part[(frame["y"] == label).fill_null(False).to_numpy()]
        assert (mine == 0).any()
        assert (mine == 2).any()
        assert abs((mine == 2).sum() - len(mine) * test) <= 2
    again = cut(frame, target="y", method="random", test=test, valid=valid, seed=seed)
    assert (again.part == chosen.part).all()


@settings(max_examples=60, deadline=None)
@given(moments=st.lists(st.integers(0, 40), min_size=10, max_size=200), shares=SHARES)
def test_time_never_looks_ahead_and_never_splits_a_moment(moments: list[int], shares: tuple[float, float, int]) -> None:
    test, valid, seed = shares
    start = datetime.datetime(2024, 1, 1)
    frame = pl.DataFrame({"t": [start + datetime.timedelta(hours=moment) for moment in moments], "y": moments})
    if len(set(moments)) < 2 + bool(valid):
        with pytest.raises(TreadleError, match="distinct times"):
            cut(frame, "regression", target="y", time="t", method="time", test=test, valid=valid)
        return
    chosen = cut(frame, "regression", target="y", time="t", method="time", test=test, valid=valid, seed=seed)
    values = np.array(moments)
    present = [values[chosen.part == part] for part in (0, 1, 2) if (chosen.part == part).any()]
    assert len(present) == 2 + bool(valid)
    for before, after in pairwise(present):
        assert before.max() < after.min()
    order = np.random.default_rng(0).permutation(len(moments))
    shuffled = cut(frame[order], "regression", target="y", time="t", method="time", test=test, valid=valid)
    assert (shuffled.part == chosen.part[order]).all()


@settings(max_examples=60, deadline=None)
@given(
    owners=st.lists(st.integers(0, 25), min_size=60, max_size=300),
    shares=SHARES,
    labels=st.randoms(use_true_random=False),
)
def test_groups_stay_whole(owners: list[int], shares: tuple[float, float, int], labels: Any) -> None:
    test, valid, seed = shares
    frame = pl.DataFrame({"g": owners, "y": [labels.choice("ab") for _ in owners]})
    if frame["y"].value_counts()["count"].min() < 2 or frame["y"].n_unique() < 2:  # type: ignore[operator]
        return
    if frame["g"].n_unique() < 2 + bool(valid):
        return
    chosen = cut(frame, target="y", group="g", method="group", test=test, valid=valid, seed=seed)
    parts = frame.with_columns(part=pl.Series(chosen.part)).group_by("g").agg(pl.col("part").n_unique())
    assert (parts["part"] == 1).all()
    assert (chosen.part >= 0).all()
    largest = frame["g"].value_counts()["count"].max()
    assert abs(sizes(chosen)[2] - len(owners) * test) <= largest + 1  # type: ignore[operator]
    assert all(sizes(chosen)[part] for part in ((0, 1, 2) if valid else (0, 2)))


def test_many_groups_are_stratified_and_quick() -> None:
    rng = np.random.default_rng(0)
    frame = pl.DataFrame({"g": rng.integers(0, 40_000, 200_000), "y": rng.choice(["n", "y"], 200_000, p=[0.9, 0.1])})
    chosen = cut(frame, target="y", group="g", method="group")
    got = sizes(chosen)
    assert abs(got[2] / 200_000 - 0.2) < 0.005
    assert abs(got[1] / 200_000 - 0.1) < 0.005
    rate = (frame["y"] == "y").to_numpy()
    assert abs(rate[chosen.part == 2].mean() - rate.mean()) < 0.005
    assert (frame.with_columns(p=pl.Series(chosen.part)).group_by("g").agg(pl.col("p").n_unique())["p"] == 1).all()


@settings(max_examples=40, deadline=None)
@given(owners=st.lists(st.integers(0, 30), min_size=80, max_size=200), folds=st.integers(2, 6), grouped=st.booleans())
def test_each_row_is_judged_once(owners: list[int], folds: int, grouped: bool) -> None:
    frame = pl.DataFrame({"g": owners, "y": [("a", "b", "b")[position % 3] for position in range(len(owners))]})
    if frame["g"].n_unique() < folds:
        return
    group = {"group": "g"} if grouped else {}
    chosen = cut(frame, target="y", method="k-fold", folds=folds, **group)
    assert chosen.fold is not None
    assert (chosen.part == 0).all()
    assert set(chosen.fold) == set(range(folds))
    if grouped:
        table = frame.with_columns(fold=pl.Series(chosen.fold)).group_by("g").agg(pl.col("fold").n_unique())
        assert (table["fold"] == 1).all()
    else:
        held = np.bincount(chosen.fold)
        assert held.max() - held.min() <= 1
        ones = np.bincount(chosen.fold[(frame["y"] == "a").to_numpy()], minlength=folds)
        assert ones.max() - ones.min() <= 1


def test_a_column_decides_and_its_gaps_are_left_out() -> None:
    frame = pl.DataFrame({"part": ["train", "Test", " valid ", None, "train", "test"], "y": list("abaabb")})
    chosen = cut(frame, target="y", method="column", column="part")
    assert chosen.part.tolist() == [0, 2, 1, -1, 0, 2]
    wrong = frame.with_columns(part=pl.Series(["train", "tset", "valid", None, "train", "test"]))
    with pytest.raises(TreadleError, match=r"row 2.*(?s:.*)'tset' is not a part \(did you mean 'test'\?\)"):
        cut(wrong, target="y", method="column", column="part")


@pytest.mark.parametrize(
    ("frame", "given", "says"),
    [
        ({"y": ["a", "a", "b"]}, {"method": "random"}, "single row: 'b'"),
        ({"y": ["a", "a", "a"]}, {"method": "random"}, "one class only"),
        ({"y": [None, None]}, {"method": "random"}, "no row has a value in 'y'"),
        ({"y": ["a", "b"] * 5, "g": ["x", "z"] * 5}, {"method": "group", "group": "g"}, "2 groups are too few"),
        ({"y": ["a", "b"] * 5, "t": [1, 2] * 5}, {"method": "time", "time": "t"}, "2 distinct times"),
        ({"y": ["a", "b"] * 5}, {"method": "time"}, "needs a column of time"),
        ({"y": ["a", "b"] * 5}, {"method": "group"}, "needs a column of groups"),
        ({"y": ["a", "a", "b", "b"]}, {"method": "k-fold"}, "too few for 5 folds"),
        ({"y": ["a", "b"] * 2, "p": ["train"] * 4}, {"method": "column", "column": "p"}, "no row is left for test"),
    ],
)
def test_what_cannot_be_split_says_so(frame: dict[str, Any], given: dict[str, Any], says: str) -> None:
    with pytest.raises(TreadleError, match=says):
        cut(pl.DataFrame(frame), target="y", **given)


def test_undated_rows_and_unlabelled_rows_are_left_out_and_named() -> None:
    frame = pl.DataFrame({"t": [*range(18), None, 18], "y": [*[1.0] * 19, float("nan")]})
    chosen = cut(frame, "regression", target="y", time="t", method="time")
    assert chosen.part[18] == -1
    assert chosen.part[19] == -1
    assert "1 rows without a time" in chosen.detail
    assert "1 rows without a label" in chosen.detail


def test_without_labels_every_row_counts() -> None:
    frame = pl.DataFrame({"y": [None, "a", "b"] * 10})
    assert (cut(frame, "clustering", target="y", method="random").part >= 0).all()
