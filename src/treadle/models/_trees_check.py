"""Checks on decision trees read from a file, so that no index of a hostile one leads native code astray."""

from __future__ import annotations

from typing import TYPE_CHECKING

from treadle.core.errors import TreadleError

if TYPE_CHECKING:
    from treadle.core.types import Array

MAX_DEPTH = 512
MAX_TREES = 200_000
MAX_NODES = 50_000_000


def check_forest(left: Array, right: Array, roots: Array, where: object) -> None:
    """See that every node hangs from exactly one root by exactly one way, at most `MAX_DEPTH` levels down.

    The walk goes down all trees at once, a level a step, so a cycle ends at the limit of depth and not in a loop.

    Args:
        left, right: int64, for each node of all trees its children, or -1 twice for a leaf.
        roots: int64, the node that each tree begins with.
        where: what the error names.
    """
    import numpy as np

    nodes = len(left)
    if nodes > MAX_NODES or len(roots) > MAX_TREES:
        raise TreadleError(f"the model holds {len(roots):,} trees with {nodes:,} nodes", where=where)
    leaf = left == -1
    inner = np.concatenate([left[~leaf], right[~leaf]])
    if (right[leaf] != -1).any() or (len(inner) and (inner.min() < 0 or inner.max() >= nodes)):
        raise TreadleError("a tree names a child that is not there", where=where)
    times = np.bincount(np.concatenate([inner, roots]), minlength=nodes)
    if len(times) != nodes or (times != 1).any():
        raise TreadleError("a tree's nodes do not hang together", where=where)
    level, seen = roots, 0
    for _ in range(MAX_DEPTH + 1):
        seen += len(level)
        level = level[~leaf[level]]
        if not len(level):
            break
        level = np.concatenate([left[level], right[level]])
    if seen != nodes:
        raise TreadleError(
            "a tree goes round in a circle or is too deep", where=where, expected=f"at most {MAX_DEPTH} levels"
        )


def check_range(values: Array, low: float, high: float, what: str, where: object) -> None:
    """See that all values are finite and from ``low`` to ``high``, both included."""
    import numpy as np

    if len(values) and not (np.isfinite(values).all() and values.min() >= low and values.max() <= high):
        raise TreadleError(f"{what} of a tree is out of its range", where=where)


def whole_numbers(value: object, length: int, low: int, high: int, what: str, where: object) -> Array:
    """A JSON list as int64; it must hold ``length`` whole numbers from ``low`` to ``high``."""
    import numpy as np

    array = _array(value, length, what, where)
    if len(array) and array.dtype.kind != "i":
        raise TreadleError(f"{what} of a tree holds something other than whole numbers", where=where)
    check_range(array, low, high, what, where)
    return array.astype(np.int64)


def real_numbers(value: object, length: int, low: float, high: float, what: str, where: object) -> Array:
    """A JSON list as float64; it must hold ``length`` finite numbers from ``low`` to ``high``."""
    import numpy as np

    array = _array(value, length, what, where)
    if array.dtype.kind not in "if":
        raise TreadleError(f"{what} of a tree holds something other than numbers", where=where)
    check_range(array, low, high, what, where)
    return array.astype(np.float64)


def _array(value: object, length: int, what: str, where: object) -> Array:
    import numpy as np

    if not isinstance(value, list) or len(value) != length:
        raise TreadleError(f"{what} of a tree is not a list of {length:,} numbers", where=where)
    try:
        array = np.array(value)
    except (ValueError, OverflowError):
        array = np.zeros((0, 0))
    if array.ndim != 1:
        raise TreadleError(f"{what} of a tree is not a plain list of numbers", where=where)
    return array
