"""Errors, JSON, files, options, the registry, folds."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from treadle.core import registry
from treadle.core.errors import Problems, TreadleError, did_you_mean, listing, raise_all
from treadle.core.events import Event, Events
from treadle.core.files import hash_value, inside, new_file, new_folder, write_json
from treadle.core.folds import fold_numbers
from treadle.core.jsonable import decode, dumps, encode, read_json
from treadle.core.options import Doc, Range, options_of
from treadle.core.search import searchable, suggest
from treadle.core.types import Field, Profile, Schema


def test_an_error_names_place_problem_expectation_and_remedy():
    error = TreadleError("got 'abc'", where="a.csv:3", expected="a number", remedy="mend it")
    assert str(error).splitlines() == ["a.csv:3: got 'abc'", "  expected: a number", "  to do:    mend it"]


def test_several_errors_are_raised_together():
    raise_all([])
    with pytest.raises(Problems) as caught:
        raise_all([TreadleError("one"), TreadleError("two")])
    assert caught.value.message() == "one\ntwo"
    assert caught.value.exit_code == 2


def test_near_misses_are_named_and_far_ones_are_not():
    assert did_you_mean("taget", ["target", "time"]) == " (did you mean 'target'?)"
    assert did_you_mean("AGE", ["age"]) == " (did you mean 'age'?)"
    assert did_you_mean("xyz", ["target"]) == ""


def test_long_listings_are_cut():
    assert listing(map(str, range(30)), 3) == "0, 1, 2, ... (27 more)"


@dataclass(frozen=True)
class _Inner:
    name: str
    weight: float | None = None


@dataclass(frozen=True)
class _Outer:
    items: tuple[_Inner, ...]
    facts: dict[str, _Inner] = field(default_factory=dict)
    path: Path | None = None


@given(st.lists(st.tuples(st.text(), st.none() | st.floats(allow_nan=False, allow_infinity=False))))
def test_dataclasses_survive_json(pairs):
    value = _Outer(tuple(_Inner(*pair) for pair in pairs), {name: _Inner(name) for name, _ in pairs}, Path("x/y"))
    assert decode(_Outer, json.loads(dumps(value))) == value


def test_numbers_that_json_does_not_know_become_null():
    assert encode({"a": float("nan"), "b": np.float32("inf"), "c": np.int64(3)}) == {"a": None, "b": None, "c": 3}


def test_equal_values_have_equal_hashes():
    assert hash_value({"a": 1, "b": (1, 2)}) == hash_value({"b": [1, 2], "a": 1})
    assert hash_value({"a": 1}) != hash_value({"a": 2})


def test_broken_json_is_one_clear_error(tmp_path):
    path = tmp_path / "a.json"
    path.write_text('{"a": ')
    with pytest.raises(TreadleError, match="not valid JSON"):
        read_json(path)
    path.write_text("[" * 100_000)
    with pytest.raises(TreadleError, match="not valid JSON"):
        read_json(path)
    with pytest.raises(TreadleError, match="at most 10"):
        read_json(path, limit=10)


def test_a_file_is_whole_or_not_there(tmp_path):
    path = tmp_path / "a.json"
    write_json(path, {"a": 1})
    with pytest.raises(RuntimeError), new_file(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert read_json(path) == {"a": 1}
    assert [item.name for item in tmp_path.iterdir()] == ["a.json"]


def test_a_folder_is_whole_or_not_there(tmp_path):
    with pytest.raises(RuntimeError), new_folder(tmp_path / "a") as temporary:
        (temporary / "x").write_text("half")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []
    with new_folder(tmp_path / "a") as temporary:
        (temporary / "x").write_text("whole")
    assert (tmp_path / "a" / "x").read_text() == "whole"


def test_a_full_disk_is_one_clear_error(tmp_path):
    with pytest.raises(TreadleError, match="the disk is full"), new_file(tmp_path / "a"):
        raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a/../../x"])
def test_paths_do_not_lead_out_of_their_folder(tmp_path, name):
    with pytest.raises(TreadleError, match="leads out"):
        inside(tmp_path, name)


def test_links_do_not_lead_out_either(tmp_path):
    (tmp_path / "inner").mkdir()
    os.symlink("/etc", tmp_path / "inner" / "link")
    with pytest.raises(TreadleError, match="leads out"):
        inside(tmp_path / "inner", "link/passwd")


class _Component:
    def __init__(
        self,
        *,
        depth: Annotated[int, Range(1, 16, tune=(2, 8)), Doc("depth of a tree")] = 6,
        rate: Annotated[float, Range(1e-3, 1.0, log=True), Doc("step")] = 0.1,
        rounds: Annotated[int, Range(1, 100, tuned=False)] = 10,
        kind: Literal["a", "b"] = "a",
        flag: bool = False,
    ) -> None:
        pass


def test_options_are_read_from_the_signature():
    found = options_of(_Component)
    assert found["depth"].doc == "depth of a tree"
    assert found["depth"].default == 6
    assert found["kind"].choices == ("a", "b")
    assert not found["flag"].required


def test_options_are_checked_all_at_once():
    with pytest.raises(TreadleError) as caught:
        registry.check_options(
            _Component, {"dept": 3, "rate": 7, "kind": "c", "depth": "x"}, name="it", where="model.options"
        )
    text = caught.value.message()
    assert "no option 'dept' (did you mean 'depth'?)" in text
    assert "model.options.rate: got 7" in text and "from 0.001 to 1" in text
    assert "model.options.kind" in text and "'a', 'b'" in text
    assert "model.options.depth: got 'x'" in text


def test_the_search_space_comes_from_the_ranges():
    import optuna

    assert set(searchable(_Component)) == {"depth", "rate"}
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for _ in range(30):
        point = suggest(study.ask(), _Component)
        assert 2 <= point["depth"] <= 8 and isinstance(point["depth"], int)
        assert 1e-3 <= point["rate"] <= 1.0


def test_names_are_found_by_location_without_importing_them():
    code = (
        "import sys; from treadle.core import registry; names = registry.names('models'); "
        "assert 'linear' in names and not any(n.startswith('_') for n in names); "
        "assert not any(m.startswith('treadle.models') for m in sys.modules); "
        "assert 'numpy' not in sys.modules and 'polars' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_unknown_component_is_named_with_a_suggestion():
    with pytest.raises(TreadleError, match=r"unknown model 'lienar' .did you mean 'linear'"):
        registry.load("models", "lienar")


def test_a_missing_library_says_what_to_install(monkeypatch):
    class Needy:
        class tags:
            requires = ("no_such_library",)
            extra = "boosting"

    with pytest.raises(TreadleError) as caught:
        registry.require(Needy, "needy")
    assert caught.value.remedy == "pip install 'treadle[boosting]'"


@given(rows=st.integers(1, 200), folds=st.integers(2, 10), classes=st.integers(1, 4), seed=st.integers(0, 5))
def test_folds_are_balanced_over_classes(rows, folds, classes, seed):
    target = np.random.default_rng(seed).integers(0, classes, rows)
    number = fold_numbers(rows, folds, target=target, seed=seed)
    assert number.shape == (rows,) and number.min() >= 0 and number.max() < folds
    assert np.array_equal(number, fold_numbers(rows, folds, target=target, seed=seed))
    for value in range(classes):
        counts = np.bincount(number[target == value], minlength=folds)
        assert counts.max() - counts.min() <= 2


@given(rows=st.integers(1, 200), folds=st.integers(2, 6), groups=st.integers(1, 40), seed=st.integers(0, 5))
def test_a_group_is_in_one_fold(rows, folds, groups, seed):
    group = np.random.default_rng(seed).integers(0, groups, rows)
    number = fold_numbers(rows, folds, group=group, seed=seed)
    for value in np.unique(group):
        assert len(np.unique(number[group == value])) == 1


def test_an_observer_that_fails_is_left_out():
    seen: list[str] = []

    def bad(event: Event) -> None:
        raise ValueError("no")

    events = Events(bad, lambda event: seen.append(event.text))
    events.message("one")
    events.message("two")
    assert seen == ["one", "two"]
    assert not events.stopping
    events.stop()
    assert events.stopping


@given(st.lists(st.floats(-1e6, 1e6), max_size=50), st.lists(st.floats(-1e6, 1e6), max_size=50))
def test_profiles_merge_as_if_seen_together(one, two):
    import polars as pl

    modality = registry.load("modalities", "number")()
    whole = modality.profile(pl.Series("x", one + two, dtype=pl.Float64))
    first = modality.profile(pl.Series("x", one, dtype=pl.Float64), like=whole)
    second = modality.profile(pl.Series("x", two, dtype=pl.Float64), like=whole)
    merged = first.merge(second)
    assert merged.counts == whole.counts and merged.rows == whole.rows
    assert merged.mean == pytest.approx(whole.mean, abs=1e-6, rel=1e-6)
    assert merged.spread == pytest.approx(whole.spread, rel=1e-6, abs=1e-3)
    assert (merged.low, merged.high) == (whole.low, whole.high)


def test_profiles_of_different_bins_do_not_merge():
    with pytest.raises(ValueError, match="same bin edges"):
        Profile("x", "number", edges=(1.0,), counts=(0, 0)).merge(Profile("x", "number", edges=(2.0,), counts=(0, 0)))


def test_a_schema_knows_its_columns():
    schema = Schema((Field("age", "number", "Int64"), Field("y", "category", "String", "target")), target="y")
    assert "age" in schema and "nope" not in schema
    assert [item.name for item in schema.features] == ["age"]
    with pytest.raises(TreadleError, match=r"no column 'aeg' .did you mean 'age'"):
        schema.field("aeg")
    assert decode(Schema, json.loads(dumps(schema))) == schema
