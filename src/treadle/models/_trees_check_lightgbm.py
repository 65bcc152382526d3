"""LightGBM's text format: read, checked in full, and written anew from the checked parts only.

LightGBM's own parser trusts its input: a child or a feature out of bounds reads foreign memory. So it never sees a
file, only the text that `clean` makes of one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from treadle.core.errors import TreadleError
from treadle.models._trees_check import MAX_TREES, check_forest, check_range

if TYPE_CHECKING:
    from treadle.core.types import Array

NUMBER = r"-?(?:[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?|inf)"
NUMBERS = re.compile(rf"(?:{NUMBER}(?: {NUMBER})*)?")
SPLITS = ("split_feature", "split_gain", "threshold", "decision_type", "left_child", "right_child")
INNER = ("internal_value", "internal_weight", "internal_count")
LEAVES = ("leaf_value", "leaf_weight", "leaf_count")
BITS = ("cat_boundaries", "cat_threshold")
OPEN = ("threshold", "split_gain")  # a split of the missing from the rest has its threshold at infinity
HUGE = 1e308
MAX_COUNT = 2**31 - 1


class Trees:
    """The trees of a text model, field by field, all trees one after the other."""

    def __init__(self, text: str, where: object) -> None:
        self.where = where
        if not text.startswith("tree\n") or "\nend of trees" not in text:
            raise self.wrong("it is not a whole LightGBM text model")
        body = text[: text.index("\nend of trees")]
        self.trees = [self._lines(part) for part in re.split(r"\nTree=[0-9]+\n", body)[1:]]
        if not 0 < len(self.trees) <= MAX_TREES:
            raise self.wrong(f"it holds {len(self.trees):,} trees")

    def wrong(self, problem: str) -> TreadleError:
        """The error, with its place."""
        return TreadleError(f"not a sound model: {problem}", where=self.where)

    def _lines(self, part: str) -> dict[str, str]:
        lines: dict[str, str] = {}
        for line in part.split("\n"):
            key, _, value = line.partition("=")
            if line and not NUMBERS.fullmatch(value):
                raise self.wrong(f"{key[:40]!r} holds something other than numbers")
            lines[key] = value
        return lines

    def field(self, name: str, counts: Array | None = None) -> Array:
        """The numbers of one field as float64; as many a tree as ``counts`` says."""
        import numpy as np

        try:
            lines = [tree[name] for tree in self.trees]
        except KeyError:
            raise self.wrong(f"a tree has no {name}") from None
        if counts is not None:
            found = [line.count(" ") + 1 if line else 0 for line in lines]
            if not np.array_equal(found, counts):
                raise self.wrong(f"a tree has too few or too many values of {name}")
        text = " ".join(line for line in lines if line)
        values = np.array(text.split(" ") if text else [], dtype="S32").astype(np.float64)
        if name not in OPEN and not np.isfinite(values).all():
            raise self.wrong(f"{name} holds a value that is not finite")
        return values

    def whole(self, name: str, counts: Array | None, low: int, high: int) -> Array:
        """The same for whole numbers in a range, as int64."""
        import numpy as np

        values = self.field(name, counts)
        check_range(values, low, high, name, self.where)
        if (values != np.floor(values)).any():
            raise self.wrong(f"{name} holds fractions")
        return values.astype(np.int64)

    def check(self, width: int) -> None:
        """Every count, index and number of every tree.

        Args:
            width: number of columns of the feature matrix.
        """
        import numpy as np

        each = np.ones(len(self.trees), dtype=np.int64)
        leaves = self.whole("num_leaves", each, 1, MAX_COUNT)
        inner = leaves - 1
        total = int(inner.sum())
        check_range(self.field("leaf_value", leaves), -HUGE, HUGE, "leaf_value", self.where)
        self.whole("is_linear", each, 0, 0)
        check_range(self.field("shrinkage", each), -HUGE, HUGE, "shrinkage", self.where)
        self.field("split_gain", inner)
        for name in INNER:
            check_range(self.field(name, inner), -HUGE, HUGE, name, self.where)
        branched = np.where(inner > 0, leaves, 0)
        for name in ("leaf_weight", "leaf_count"):
            check_range(self._branched(name, branched), 0, HUGE, name, self.where)
        self.whole("internal_count", inner, 0, MAX_COUNT)
        self.whole("split_feature", inner, 0, width - 1)
        self._check_categories(inner)
        start = np.cumsum(leaves + inner) - (leaves + inner)
        first = np.repeat(start, inner)
        below = np.repeat(inner, inner)
        children = []
        for name in ("left_child", "right_child"):
            child = self.whole(name, inner, -MAX_COUNT, MAX_COUNT)
            if ((child >= below) | (child < -below - 1)).any():
                raise self.wrong("a tree names a child that is not there")
            placed = np.full(len(self.trees) + 2 * total, -1, dtype=np.int64)
            own = first + np.arange(total) - np.repeat(np.cumsum(inner) - inner, inner)
            placed[own] = first + np.where(child >= 0, child, below + ~child)
            children.append(placed)
        check_forest(children[0], children[1], start, self.where)

    def _branched(self, name: str, counts: Array) -> Array:
        for tree, count in zip(self.trees, counts, strict=True):
            if not count:
                tree[name] = ""
        return self.field(name, counts)

    def _check_categories(self, inner: Array) -> None:
        import numpy as np

        kinds = self.whole("decision_type", inner, 0, 15)
        thresholds = self.field("threshold", inner)
        sets = self.whole("num_cat", np.ones(len(inner), dtype=np.int64), 0, MAX_COUNT)
        for tree, count in zip(self.trees, sets, strict=True):
            if not count:
                tree["cat_boundaries"] = tree["cat_threshold"] = ""
        bounds = self.whole("cat_boundaries", np.where(sets > 0, sets + 1, 0), 0, MAX_COUNT)
        if (sets == 0).all():
            words = np.zeros(len(inner), dtype=np.int64)
        else:
            ends = np.cumsum(np.where(sets > 0, sets + 1, 0)) - 1
            words = np.where(sets > 0, bounds[ends], 0)
            starts = ends[sets > 0] - sets[sets > 0]
            steps = np.diff(bounds)
            steps[(starts - 1)[starts > 0]] = 0
            if (bounds[starts] != 0).any() or (steps < 0).any():
                raise self.wrong("the sets of categories do not follow one another")
        self.whole("cat_threshold", words, 0, 2**32 - 1)
        which = thresholds[(kinds & 1) == 1]
        if (which != np.floor(which)).any() or (which < 0).any():
            raise self.wrong("a split names a set of categories that is not there")
        if (which >= np.repeat(sets, inner)[(kinds & 1) == 1]).any():
            raise self.wrong("a split names a set of categories that is not there")

    def text(self, width: int, classes: int, objective: str) -> str:
        """The model anew: our own header, then the checked fields of each tree and nothing else."""
        every = classes if classes > 2 else 1
        names = " ".join(f"f{position}" for position in range(width))
        parts = [
            f"tree\nversion=v4\nnum_class={every}\nnum_tree_per_iteration={every}\nlabel_index=0\n"
            f"max_feature_idx={width - 1}\nobjective={objective}\nfeature_names={names}\n"
            f"feature_infos={' '.join(['none'] * width)}\n"
        ]
        for number, tree in enumerate(self.trees):
            keys: Sequence[str] = ("num_leaves", "num_cat", *SPLITS, *LEAVES, *INNER)
            keys = (*keys, *(BITS if tree["cat_boundaries"] else ()), "is_linear", "shrinkage")
            parts.append("\n".join([f"Tree={number}", *(f"{key}={tree[key]}" for key in keys), "\n"]))
        return "\n".join([*parts, "end of trees\n\nfeature_importances:\n\nparameters:\n\nend of parameters\n"])


def clean(text: str, width: int, classes: int, objective: str, where: object) -> str:
    """A text that LightGBM can load without harm, or one clear error.

    Args:
        text: the file's content.
        width: number of columns of the feature matrix.
        classes: number of classes; 0 for regression.
        objective: LightGBM's name of the objective, as its format writes it.
        where: what the error names.
    """
    trees = Trees(text, where)
    if len(trees.trees) % (classes if classes > 2 else 1):
        raise trees.wrong(f"{len(trees.trees)} trees do not divide among {classes} classes")
    trees.check(width)
    return trees.text(width, classes, objective)
