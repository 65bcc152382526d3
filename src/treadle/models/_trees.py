"""Binary trees as flat arrays: checked when read, walked without a pickle and without the library that grew them.

The nodes of all trees lie one after another, each tree in pre-order, so the left child of a node is the next one and
only the right child needs a number. A file that was tampered with can therefore be told by a few comparisons: every
child comes after its parent and inside its tree, and every node but a root has exactly one parent. A walk ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from treadle.core.arrays import load_arrays, save_arrays
from treadle.core.errors import TreadleError

if TYPE_CHECKING:
    from treadle.core.types import Array

MAX_DEPTH = 10_000
SMALL = 4_000
CHUNK = 1 << 19
WORDS = 8
FIELDS = ("starts", "link", "feature", "threshold", "missing_left", "values", "subset", "subsets", "known")


@dataclass(frozen=True)
class Trees:
    """Trees over ``width`` columns.

    Attributes:
        width: number of columns of the matrix they read.
        starts: int64 (trees + 1,), where each tree begins; the last entry is the number of nodes.
        link: int32 (nodes,), of an inner node the right child, counted from its tree's root; of a leaf ``-1 - row``
            with the row of ``values``.
        feature: int32 (nodes,), the column an inner node looks at.
        threshold: float32 (nodes,), values up to it go left. The library's float64 thresholds are rounded down, which
            sends every float32 value the same way.
        missing_left: bool (nodes,), whether a missing value goes left.
        values: float64 (rows, outputs), what leaves hold, each distinct row once.
        subset: int32 (nodes,), the row of ``subsets`` that a split on a category asks, else -1.
        subsets: uint32 (splits, 8), 256 bits: the codes that go left.
        known: uint32 (width, 8), 256 bits: the codes that training saw; others count as missing. All zero for a number.
    """

    width: int
    starts: Array
    link: Array
    feature: Array
    threshold: Array
    missing_left: Array
    values: Array
    subset: Array
    subsets: Array
    known: Array
    _cache: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def count(self) -> int:
        """Number of trees."""
        return len(self.starts) - 1

    def save(self, folder: Path, prefix: str = "trees") -> None:
        """One ``.npy`` an attribute."""
        save_arrays(folder, {f"{prefix}_{name}": getattr(self, name) for name in FIELDS})

    @classmethod
    def load(cls, folder: Path, width: int, prefix: str = "trees") -> Trees:
        """Read and check what `save` wrote; a structure that could lead a walk astray is refused."""
        import numpy as np

        found: dict[str, Any] = dict(
            zip(FIELDS, load_arrays(folder, *(f"{prefix}_{name}" for name in FIELDS)), strict=True)
        )
        if found["missing_left"].dtype == np.bool_:  # a byte that is neither 0 nor 1 must not pass for a truth value
            found["missing_left"] = found["missing_left"].view(np.uint8) != 0
        found = {name: np.ascontiguousarray(array) for name, array in found.items()}
        trees = cls(width, **found)
        trees.check(folder)
        return trees

    def check(self, where: object) -> None:
        """Raise unless every walk from every root ends in a leaf, inside all arrays."""
        problem = _shape_problem(self) or _tree_problem(self)
        if problem:
            raise TreadleError(f"the trees are damaged: {problem}", where=where)

    # -- walking

    def leaf_rows(self, matrix: Array) -> Array:
        """The row of ``values`` that each row of ``matrix`` reaches in each tree: int64 (rows, trees)."""
        import numpy as np

        matrix = self._checked(matrix)
        if len(matrix) * self.count > SMALL and (fast := self._native()) is not None:
            found = np.empty((len(matrix), self.count), dtype=np.int64)
            for number in range(self.count):
                found[:, number] = fast(number, matrix, index=True)
            return found
        return self._walk(matrix)

    def total(self, matrix: Array, outputs: int | None = None) -> Array:
        """Sum of the leaves over all trees, added in the trees' order: float64 (rows, outputs).

        Args:
            matrix: (rows, width), NaN where missing, codes (or NaN) for categories.
            outputs: for trees of one value each, how many outputs they take turns to add to.
        """
        import numpy as np

        matrix = self._checked(matrix)
        turns = outputs or 1
        shape = (len(matrix), turns if outputs else self.values.shape[1])
        total = np.zeros(shape)
        if len(matrix) * self.count <= SMALL or (fast := self._native()) is None:
            step = max(1, CHUNK // max(1, self.count))
            for begin in range(0, len(matrix), step):
                rows = slice(begin, begin + step)
                found = self.values[self._walk(matrix[rows])]
                for turn in range(turns if outputs else 0):
                    total[rows, turn] = np.add.accumulate(found[:, turn::turns, 0], axis=1)[:, -1]
                if not outputs:
                    total[rows] = np.add.accumulate(found, axis=1)[:, -1]
            return total
        for number in range(self.count):
            if self.values.shape[1] == 1:
                total[:, number % turns] += fast(number, matrix)
            else:
                total += self.values[fast(number, matrix, index=True)]
        return total

    def _checked(self, matrix: Array) -> Array:
        import numpy as np

        if matrix.ndim != 2 or matrix.shape[1] != self.width:
            raise TreadleError(f"the matrix has shape {matrix.shape}", expected=f"{self.width} columns")
        return np.ascontiguousarray(matrix, dtype=np.float64)

    def _walk(self, matrix: Array) -> Array:
        """All rows down all trees at once, one level a step: quick for few rows, as a server sends them."""
        import numpy as np

        children, levels = self._children()
        at = np.tile(self.starts[:-1], len(matrix))
        base = np.repeat(np.arange(len(matrix)) * self.width, self.count)
        flat = matrix.reshape(-1)
        by_subset = len(self.subsets) > 0
        has_missing = bool(np.isnan(matrix).any())
        for _ in range(levels):
            value = flat[base + self.feature[at]] if self.width else np.zeros(len(at))
            left = value <= self.threshold[at]
            if by_subset:
                left = self._by_subset(at, value, left)
            if has_missing:
                left |= np.isnan(value) & self.missing_left[at]
            at = children[left.view(np.int8), at]
        rows: Array = -1 - self.link[at].astype(np.int64)
        return rows.reshape(len(matrix), self.count)

    def _by_subset(self, at: Array, value: Array, left: Array) -> Array:
        import numpy as np

        asked = np.flatnonzero(self.subset[at] >= 0)
        node, seen = at[asked], value[asked]
        code = np.where(np.isnan(seen) | (seen < 0), 0, seen).astype(np.uint8)
        word, bit = code >> 5, (code & 31).astype(np.uint32)
        chosen = (self.subsets[self.subset[node], word] >> bit) & 1 > 0
        known = (self.known[self.feature[node], word] >> bit) & 1 > 0
        lost = (seen < 0) | ~(known | chosen)
        left[asked] = np.where(np.isnan(seen), False, np.where(lost, self.missing_left[node], chosen))
        return left

    def _children(self) -> tuple[Array, int]:
        """(2, nodes) right and left children, leaves their own, and the depth of the deepest tree."""
        import numpy as np

        if "children" not in self._cache:
            nodes = np.arange(len(self.link))
            inner = self.link > 0
            right = np.where(inner, self.link + np.repeat(self.starts[:-1], np.diff(self.starts)), nodes)
            children = np.stack([right, np.where(inner, nodes + 1, nodes)])
            self._cache["children"] = children, _depth(self.starts, children, inner)
        found: tuple[Array, int] = self._cache["children"]
        return found

    def _native(self) -> Any:
        """scikit-learn's compiled walk of one tree, for many rows; None where this version has none that we know."""
        import numpy as np

        if "native" in self._cache:
            return self._cache["native"]
        try:
            from sklearn.ensemble._hist_gradient_boosting._predictor import _predict_from_raw_data as predict
            from sklearn.ensemble._hist_gradient_boosting.common import PREDICTOR_RECORD_DTYPE as RECORD
            from sklearn.utils._openmp_helpers import _openmp_effective_n_threads as threads

            leaf = self.link < 0
            nodes = np.zeros(len(self.link), dtype=RECORD)
            nodes["feature_idx"] = self.feature
            nodes["num_threshold"] = self.threshold
            nodes["missing_go_to_left"] = self.missing_left
            position = np.arange(len(self.link)) - np.repeat(self.starts[:-1], np.diff(self.starts))
            nodes["left"] = np.where(leaf, 0, position + 1)
            nodes["right"] = np.where(leaf, 0, self.link)
            nodes["is_leaf"] = leaf
            nodes["is_categorical"] = self.subset >= 0
            nodes["bitset_idx"] = np.maximum(self.subset, 0)
        except (ImportError, ValueError):
            self._cache["native"] = None
            return None
        row = np.where(leaf, -1 - self.link.astype(np.int64), 0)
        columns = np.arange(self.width, dtype=np.uint32)
        scalar = self.values.shape[1] == 1
        nodes["value"] = self.values[row, 0] if scalar else row
        indexed = nodes if not scalar else None

        def walk(number: int, matrix: Array, *, index: bool = False) -> Array:
            nonlocal indexed
            if index and indexed is None:
                indexed = nodes.copy()
                indexed["value"] = row
            part = (indexed if index else nodes)[self.starts[number] : self.starts[number + 1]]  # type: ignore[index]
            found = np.empty(len(matrix))
            predict(part, matrix, self.subsets, self.known, columns, threads(), found)
            return found.astype(np.int64) if index else found

        self._cache["native"] = walk
        return walk


def _shape_problem(trees: Trees) -> str | None:
    """What is wrong with the types and sizes of the arrays, or None."""
    import numpy as np

    nodes = len(trees.link) if trees.link.ndim == 1 else -1
    forms = {
        "starts": (np.int64, (len(trees.starts),) if trees.starts.ndim else None),
        "link": (np.int32, (nodes,)),
        "feature": (np.int32, (nodes,)),
        "threshold": (np.float32, (nodes,)),
        "missing_left": (np.bool_, (nodes,)),
        "values": (np.float64, (len(trees.values), trees.values.shape[1]) if trees.values.ndim == 2 else None),
        "subset": (np.int32, (nodes,)),
        "subsets": (np.uint32, (len(trees.subsets), WORDS) if trees.subsets.ndim else None),
        "known": (np.uint32, (trees.width, WORDS)),
    }
    for name, (dtype, shape) in forms.items():
        array = getattr(trees, name)
        if array.dtype != dtype or array.shape != shape:
            return f"{name} is {array.dtype} {array.shape}"
    if trees.starts.size < 2 or trees.starts[0] != 0 or trees.starts[-1] != nodes or np.diff(trees.starts).min() < 1:
        return "the trees do not cover the nodes"
    if not np.isfinite(trees.values).all() or trees.values.shape[1] < 1:
        return "a leaf holds no number"
    return None


def _tree_problem(trees: Trees) -> str | None:
    """What is wrong with the links between the nodes, or None; the shapes are known to be right."""
    import numpy as np

    inner = trees.link > 0
    ends = np.repeat(trees.starts[1:], np.diff(trees.starts))
    right = trees.link.astype(np.int64) + np.repeat(trees.starts[:-1], np.diff(trees.starts))
    nodes = np.arange(len(trees.link))
    if (right[inner] <= nodes[inner] + 1).any() or (right[inner] >= ends[inner]).any() or (trees.link == 0).any():
        return "a child lies before its parent or outside its tree"
    if (-1 - trees.link[~inner].astype(np.int64) >= len(trees.values)).any():
        return "a leaf points outside the values"
    parents = np.bincount(np.concatenate([nodes[inner] + 1, right[inner]]), minlength=len(nodes))
    parents[trees.starts[:-1]] += 1
    if (parents != 1).any():
        return "a node has no parent, or two"
    if (trees.feature < 0).any() or (trees.feature >= max(1, trees.width)).any() or (inner.any() and not trees.width):
        return "a split asks a column that is not there"
    if np.isnan(trees.threshold).any():
        return "a threshold is not a number"
    if (trees.subset < -1).any() or (trees.subset >= len(trees.subsets)).any() or (trees.subset[~inner] >= 0).any():
        return "a split points outside the subsets"
    if trees._children()[1] > MAX_DEPTH:
        return f"a tree is deeper than {MAX_DEPTH:,} levels"
    return None


def _depth(starts: Array, children: Array, inner: Array) -> int:
    """Levels below the root of the deepest tree; stops one past the limit."""
    import numpy as np

    front, depth = starts[:-1][inner[starts[:-1]]], 0
    while len(front) and depth <= MAX_DEPTH:
        depth += 1
        below = np.concatenate([children[0, front], children[1, front]])
        front = below[inner[below]]
    return depth


def round_down(threshold: Array) -> Array:
    """The largest float32 not above each value: it parts float32 numbers exactly as the float64 value does."""
    import numpy as np

    with np.errstate(over="ignore"):
        near = threshold.astype(np.float32)
    lower = np.nextafter(near, np.float32("-inf"))
    return np.where(near.astype(np.float64) > threshold, lower, near)


def from_sklearn(grown: Sequence[Any], leaf_values: Sequence[Array], width: int) -> Trees:
    """Trees of scikit-learn's ``Tree`` objects, grown depth first.

    Args:
        grown: the ``tree_`` of each estimator.
        leaf_values: (nodes, outputs) for each of them, what a node stands for.
        width: number of columns.
    """
    import numpy as np

    left = np.concatenate([tree.children_left for tree in grown])
    right = np.concatenate([tree.children_right for tree in grown])
    leaf = left < 0
    rows, values = _distinct(np.concatenate(leaf_values)[leaf])
    link = right.astype(np.int32)
    link[leaf] = -1 - rows
    starts = np.concatenate([[0], np.cumsum([tree.node_count for tree in grown])]).astype(np.int64)
    threshold = round_down(np.concatenate([tree.threshold for tree in grown]))
    trees = Trees(
        width,
        starts,
        link,
        np.where(leaf, 0, np.concatenate([tree.feature for tree in grown])).astype(np.int32),
        np.where(leaf, np.float32(0), threshold),
        ~leaf & np.concatenate([tree.missing_go_to_left for tree in grown]).astype(bool),
        values,
        np.full(len(link), -1, dtype=np.int32),
        np.zeros((0, WORDS), dtype=np.uint32),
        np.zeros((width, WORDS), dtype=np.uint32),
    )
    trees.check("the trees just grown")
    return trees


def _distinct(values: Array) -> tuple[Array, Array]:
    """For each row its position among the distinct rows, and those: pure leaves are stored once."""
    import numpy as np

    if values.shape[1] == 1:
        kept, rows = np.unique(values[:, 0], return_inverse=True)
        return rows.reshape(-1).astype(np.int32), kept.reshape(-1, 1).astype(np.float64)
    kept, rows = np.unique(values, axis=0, return_inverse=True)
    return rows.reshape(-1).astype(np.int32), kept.astype(np.float64)


def from_boosting(estimator: Any, rounds: Sequence[Sequence[Any]], width: int) -> tuple[Trees, Array]:
    """The trees of a fitted ``HistGradientBoosting*``, on the columns and codes as they are given to it.

    The library puts categorical columns first and numbers their codes anew; both are undone here.

    Args:
        estimator: fitted.
        rounds: its predictors, those to keep.
        width: number of columns.

    Returns:
        The trees, and the gain of the loss by column, (width,).
    """
    import numpy as np

    grown = [tree for item in rounds for tree in item]
    categorical = estimator.is_categorical_
    if categorical is None:
        order = np.arange(width)
        codes: dict[int, Array] = {}
    else:
        order = np.concatenate([np.flatnonzero(categorical), np.flatnonzero(~categorical)])
        categories = estimator._preprocessor.named_transformers_["encoder"].categories_
        codes = {
            int(column): values[~np.isnan(values)].astype(np.int64)
            for column, values in zip(np.flatnonzero(categorical), categories, strict=True)
        }
    nodes = np.concatenate([tree.nodes for tree in grown])
    sizes = [len(tree.nodes) for tree in grown]
    leaf = nodes["is_leaf"].astype(bool)
    feature = np.where(leaf, 0, order[nodes["feature_idx"]] if width else 0).astype(np.int32)
    rows, values = _distinct(nodes["value"][leaf].reshape(-1, 1))
    link = nodes["right"].astype(np.int32)
    link[leaf] = -1 - rows
    splits = np.cumsum([0, *(len(tree.raw_left_cat_bitsets) for tree in grown)])
    by_subset = nodes["is_categorical"].astype(bool) & ~leaf
    subset = np.where(by_subset, nodes["bitset_idx"] + np.repeat(splits[:-1], sizes), -1).astype(np.int32)
    raw = np.concatenate([np.asarray(tree.raw_left_cat_bitsets).reshape(-1, WORDS) for tree in grown])
    subsets = np.zeros_like(raw, dtype=np.uint32)
    known = np.zeros((width, WORDS), dtype=np.uint32)
    for column, given in codes.items():
        asked = subset[by_subset & (feature == column)]
        bits = np.zeros((len(asked), WORDS * 32), dtype=bool)
        bits[:, given] = _bits(raw[asked])[:, : len(given)]
        subsets[asked] = _words(bits)
        held = np.zeros((1, WORDS * 32), dtype=bool)
        held[0, given] = True
        known[column] = _words(held)[0]
    trees = Trees(
        width,
        np.cumsum([0, *sizes], dtype=np.int64),
        link,
        feature,
        np.where(leaf | by_subset, np.float32(0), round_down(nodes["num_threshold"])),
        nodes["missing_go_to_left"].astype(bool) & ~leaf,
        values,
        subset,
        subsets,
        known,
    )
    trees.check("the trees just grown")
    return trees, np.bincount(feature[~leaf], weights=nodes["gain"][~leaf], minlength=width)[:width]


def _bits(words: Array) -> Array:
    """(rows, 8) words as (rows, 256) booleans, the lowest bit first."""
    import numpy as np

    shifted = words[:, :, None] >> np.arange(32, dtype=np.uint32)
    return (shifted & 1).astype(bool).reshape(len(words), WORDS * 32)


def _words(bits: Array) -> Array:
    """The inverse of `_bits`."""
    import numpy as np

    powers = np.left_shift(np.uint32(1), np.arange(32, dtype=np.uint32))
    words: Array = (bits.reshape(len(bits), WORDS, 32) * powers).sum(axis=2, dtype=np.uint32)
    return words
