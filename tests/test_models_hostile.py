"""Files of models made to do harm: trees that lead astray, arrays that lie, pickles in disguise."""

from __future__ import annotations

import gzip
import io
import pickle
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from treadle.core.arrays import load_arrays, save_arrays
from treadle.core.errors import TreadleError
from treadle.models._trees import FIELDS, Trees
from treadle.testing.files import find_pickles

WIDTH = 3


def two_trees() -> Trees:
    """A tree of five nodes that also asks a category, and one of three."""
    subsets = np.zeros((1, 8), dtype=np.uint32)
    subsets[0, 0] = 0b0110
    known = np.zeros((WIDTH, 8), dtype=np.uint32)
    known[2, 0] = 0b1111
    return Trees(
        WIDTH,
        np.array([0, 5, 8], dtype=np.int64),
        np.array([4, 3, -1, -2, -3, 2, -1, -3], dtype=np.int32),
        np.array([0, 2, 0, 0, 0, 1, 0, 0], dtype=np.int32),
        np.array([0.5, 0, 0, 0, 0, -1.5, 0, 0], dtype=np.float32),
        np.array([True, False, False, False, False, True, False, False]),
        np.array([[1.0], [10.0], [100.0]]),
        np.array([-1, 0, -1, -1, -1, -1, -1, -1], dtype=np.int32),
        subsets,
        known,
    )


def changed(name: str, position: int | tuple[int, ...], value: object) -> Trees:
    trees = two_trees()
    array = getattr(trees, name).copy()
    array[position] = value
    return replace(trees, **{name: array}, _cache={})


def test_a_sound_forest_walks_by_hand() -> None:
    trees = two_trees()
    trees.check("here")
    rows = np.array(
        [[0.0, 0.0, 1.0], [0.0, 0.0, 3.0], [1.0, -2.0, 0.0], [np.nan, np.nan, np.nan], [0.0, 0.0, 77.0]]
    )  # the codes 1 and 2 go left, 77 was never seen and goes with the missing ones
    expected = [[1 + 100], [10 + 100], [100 + 1], [10 + 1], [10 + 100]]
    assert trees.total(rows).tolist() == expected
    many = np.tile(rows, (1000, 1))
    assert np.array_equal(trees.total(many), np.tile(expected, (1000, 1)))  # the compiled way
    assert np.array_equal(trees.leaf_rows(many), np.tile(trees.leaf_rows(rows), (1000, 1)))


@pytest.mark.parametrize(
    ("name", "position", "value"),
    [
        ("link", 0, 1),  # the left child again
        ("link", 0, 5),  # in the next tree
        ("link", 0, 10**9),
        ("link", 0, 0),  # itself: for ever
        ("link", 1, 4),  # a node with two parents, one with none
        ("link", 2, -4),  # outside the values
        ("link", 2, -(2**31)),
        ("feature", 0, WIDTH),
        ("feature", 0, -1),
        ("threshold", 0, np.nan),
        ("values", (0, 0), np.nan),
        ("values", (0, 0), np.inf),
        ("subset", 1, 1),
        ("subset", 1, -2),
        ("subset", 2, 0),
        ("starts", 1, 6),
        ("starts", 1, 0),
        ("starts", 2, 9),
        ("starts", 0, -1),
    ],
)
def test_trees_that_lead_astray_are_refused(name: str, position: int, value: object) -> None:
    with pytest.raises(TreadleError, match="the trees are damaged"):
        changed(name, position, value).check("here")


def test_a_tree_that_is_a_well_is_refused() -> None:
    depth = 10_002
    nodes = 2 * depth + 1
    link = np.full(nodes, -1, dtype=np.int32)
    link[: 2 * depth : 2] = 0
    inner = np.arange(depth)  # every left child is the next inner node, every right child a leaf at the end
    link[:depth] = nodes - 1 - inner
    link[depth:] = -1
    trees = Trees(
        1, np.array([0, nodes]), link, np.zeros(nodes, np.int32), np.zeros(nodes, np.float32), np.zeros(nodes, bool),
        np.zeros((1, 1)), np.full(nodes, -1, np.int32), np.zeros((0, 8), np.uint32), np.zeros((1, 8), np.uint32),
    )  # fmt: skip
    with pytest.raises(TreadleError, match="deeper than"):
        trees.check("here")


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(("starts", "link", "feature", "threshold", "missing_left", "values", "subset", "subsets", "known")),
    st.integers(0, 50),
    st.integers(-(2**31), 2**31 - 1) | st.integers(-9, 9),
)
def test_whatever_is_accepted_walks_to_an_end_both_ways(name: str, position: int, value: int) -> None:
    trees = two_trees()
    array = getattr(trees, name).copy()
    flat = array.reshape(-1)
    with np.errstate(all="ignore"):
        flat[position % len(flat)] = np.array(value).astype(array.dtype)
    trees = replace(trees, **{name: array}, _cache={})
    try:
        trees.check("here")
    except TreadleError:
        return
    rows = np.random.default_rng(0).normal(size=(4000, WIDTH)).round(1)
    rows[:, 2] = np.abs(rows[:, 2]).round()
    fast, slow = trees.leaf_rows(rows), trees._walk(rows)
    assert np.array_equal(fast, slow)
    assert np.array_equal(trees.total(rows)[:1000], trees.total(rows[:1000]))


@pytest.mark.parametrize("name", FIELDS)
def test_arrays_of_another_form_are_refused(name: str, tmp_path: Path) -> None:
    two_trees().save(tmp_path)
    assert Trees.load(tmp_path, WIDTH).count == 2
    path = tmp_path / f"trees_{name}.npy"
    good = path.read_bytes()
    array = np.load(path)
    forms = [array.astype(np.float16), array[None], array[:0], np.asfortranarray(np.stack([array, array]))]
    for form in forms:
        if form.dtype == array.dtype and form.shape == array.shape:
            continue
        np.save(path, form)
        with pytest.raises(TreadleError):
            Trees.load(tmp_path, WIDTH)
    for data in (good[:-1], good + b"\0", good[:40], b"", good.replace(b"(", b"(99999999999, ", 1)):
        path.write_bytes(data)
        with pytest.raises(TreadleError):
            Trees.load(tmp_path, WIDTH)


def test_a_byte_that_is_neither_true_nor_false_is_no_index(tmp_path: Path) -> None:
    two_trees().save(tmp_path)
    path = tmp_path / "trees_missing_left.npy"
    data = bytearray(path.read_bytes())
    data[-8:] = b"\xff" * 8
    path.write_bytes(bytes(data))
    trees = Trees.load(tmp_path, WIDTH)
    rows = np.full((5000, WIDTH), np.nan)
    assert np.array_equal(trees.leaf_rows(rows), trees._walk(rows))


def test_an_array_that_lies_about_its_size_claims_no_memory(tmp_path: Path) -> None:
    save_arrays(tmp_path, {"a": np.zeros(4)})
    path = tmp_path / "a.npy"
    for shape in (b"(999999999999,)", b"(99999, 99999, 99999)", b"(-1,)", b"(4", b"(((((("):
        header = b"{'descr': '<f8', 'fortran_order': False, 'shape': " + shape + b", }"
        header = header.ljust(117) + b"\n"
        path.write_bytes(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(32))
        with pytest.raises(TreadleError, match=r"a\.npy"):
            load_arrays(tmp_path, "a")


def test_pickles_are_found_wherever_they_hide(tmp_path: Path) -> None:
    payload = pickle.dumps({"a": print})
    (tmp_path / "clean.json").write_text('{"a": [1, 2, 3]}')
    (tmp_path / "clean.txt").write_text("tree\nnumber of leaves = 3.\n")
    np.save(tmp_path / "clean.npy", np.arange(1000.0))
    (tmp_path / "clean.bin").write_bytes(np.random.default_rng(0).bytes(200_000))
    with zipfile.ZipFile(tmp_path / "clean.zip", "w") as archive:
        archive.writestr("a.json", "{}")
    (tmp_path / "empty").write_bytes(b"")
    assert find_pickles(tmp_path) == []
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("deep/data", payload)
    objects = io.BytesIO()
    np.save(objects, np.array([{}], dtype=object))
    hidden = {
        "plain": payload,
        "old": pickle.dumps(print, protocol=0),
        "appended": b"header" * 10 + payload,
        "squeezed": gzip.compress(payload),
        "archive": inner.getvalue(),
        "array.npy": objects.getvalue(),
        "model.pkl": b"whatever",
    }
    for name, data in hidden.items():
        (tmp_path / name).write_bytes(data)
    assert {line.split(":")[0].split("!")[0] for line in find_pickles(tmp_path)} == set(hidden)
