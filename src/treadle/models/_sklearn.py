"""What the models of this folder share: probability columns, empty answers, checked facts, an answer to one class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from treadle.core.errors import TreadleError
from treadle.core.jsonable import read_json

if TYPE_CHECKING:
    import polars as pl

    from treadle.core.types import Array

MAX_CLASSES = 100_000


def probability_frame(probability: Array, seen: Sequence[int], classes: int) -> pl.DataFrame:
    """``probability_<code>`` columns for all classes; those that training did not hold get 0.

    Args:
        probability: (rows, seen classes).
        seen: the codes of its columns.
        classes: how many there are in all.
    """
    import numpy as np
    import polars as pl

    full = np.zeros((len(probability), classes), dtype=np.float64)
    full[:, list(seen)] = probability
    return pl.DataFrame({f"probability_{code}": full[:, code] for code in range(classes)})


def value_frame(values: Array, quantiles: Mapping[float, Array] | None = None) -> pl.DataFrame:
    """``prediction``, and ``quantile_<level>`` columns that never cross.

    Args:
        values: (rows,).
        quantiles: (rows,) for each level.
    """
    import numpy as np
    import polars as pl

    columns = {"prediction": np.asarray(values, dtype=np.float64)}
    if quantiles:
        levels = sorted(quantiles)
        ordered = np.sort(np.stack([quantiles[level] for level in levels], axis=1), axis=1)
        columns |= {f"quantile_{level}": ordered[:, position] for position, level in enumerate(levels)}
    return pl.DataFrame(columns)


def sigmoid(scores: Array) -> Array:
    """1 / (1 + exp(-scores)), without overflow."""
    import numpy as np

    small = np.exp(-np.abs(scores))
    return np.where(scores >= 0, 1.0, small) / (1.0 + small)


def softmax(scores: Array) -> Array:
    """Rows of ``scores`` as probabilities, without overflow."""
    import numpy as np

    powers = np.exp(scores - scores.max(axis=1, keepdims=True, initial=-np.inf))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def two_columns(last: Array) -> Array:
    """Probabilities of both classes from those of the last one."""
    import numpy as np

    last = np.clip(last.reshape(-1), 0.0, 1.0)
    return np.stack([1.0 - last, last], axis=1)


def read_facts(path: Path, **kinds: Any) -> dict[str, Any]:
    """The facts of a model's JSON file, each of the type named; anything else in it is ignored.

    Args:
        path: the file.
        kinds: by name, ``int`` (not negative), ``float`` (finite), ``str``, or ``list`` (of finite numbers).
    """
    import math

    data = read_json(path)
    found: dict[str, Any] = {}
    for name, kind in kinds.items():
        value = data.get(name) if isinstance(data, dict) else None
        numbers = value if isinstance(value, list) else [value]
        good = all(isinstance(item, int | float) and not isinstance(item, bool) for item in numbers)
        if kind is str:
            good = isinstance(value, str)
        elif kind is int:
            good = good and isinstance(value, int) and 0 <= value < 2**53
        else:
            good = good and isinstance(value, list) == (kind is list) and all(map(math.isfinite, numbers))
        if not good:
            raise TreadleError(f"{name!r} is {value!r:.60}", where=path, expected=getattr(kind, "__name__", str(kind)))
        found[name] = value
    if found.get("classes", 0) > MAX_CLASSES:
        raise TreadleError(f"{found['classes']:,} classes", where=path, expected=f"at most {MAX_CLASSES:,}")
    return found


def checked_seen(seen: Array, classes: int, where: object) -> list[int]:
    """Codes of the classes that training held, distinct and in range."""
    import numpy as np

    good = seen.ndim == 1 and seen.dtype.kind == "i" and len(np.unique(seen)) == len(seen)
    if not good or (len(seen) and not (seen.min() >= 0 and seen.max() < classes)):
        raise TreadleError("the classes do not fit the model", where=where)
    return [int(code) for code in seen]


def finite(where: object, **arrays: tuple[Array, tuple[int | None, ...]]) -> None:
    """Raise unless every array is float64, finite, and of its shape (None: any length)."""
    import numpy as np

    for name, (array, shape) in arrays.items():
        fits = array.ndim == len(shape)
        fits = fits and all(want is None or want == got for want, got in zip(shape, array.shape, strict=True))
        if not fits or array.dtype != np.float64 or not np.isfinite(array).all():
            raise TreadleError(f"{name} is {array.dtype} {array.shape}, or not finite", where=where)
