"""How the kinds read values: one way in training and in serving, and quick for a single row.

A Series expression in Polars costs about 0.1 ms however short the Series is, so a handful of rows goes through plain
Python; both ways give the same values.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from treadle.core.errors import TreadleError
from treadle.core.values import MISSING

if TYPE_CHECKING:
    import polars as pl

    from treadle.core.types import Array, Field

SMALL = 64
ABSENT = frozenset(MISSING)
# What Polars strips: Unicode's White_Space. Python alone would take four control characters besides.
BLANKS = "\t\n\x0b\x0c\r \x85\xa0\u1680" + "".join(map(chr, range(0x2000, 0x200B))) + "\u2028\u2029\u202f\u205f\u3000"


def clean(values: pl.Series) -> pl.Series:
    """Text without blanks around it, and null where it stands for nothing; the Series must hold text."""
    import polars as pl

    if len(values) <= SMALL:
        found = [None if value is None else value.strip(BLANKS) for value in values.to_list()]
        return pl.Series(values.name, [None if text in ABSENT else text for text in found], dtype=pl.String)
    text = values.str.strip_chars()
    absent = text.is_in(list(MISSING))
    return text.set(absent.fill_null(False), None) if absent.any() else text


def as_text(values: pl.Series) -> pl.Series:
    """Any single values as cleaned text: whole numbers without a point, booleans as ``true`` and ``false``."""
    import polars as pl

    dtype = values.dtype
    if dtype == pl.Object:
        return as_text(pl.Series(values.name, [None if v is None else str(v) for v in values.to_list()], pl.String))
    if dtype == pl.String:
        return clean(values)
    if dtype in (pl.Categorical, pl.Enum):
        return clean(values.cast(pl.String))
    if dtype == pl.Boolean:
        words = {True: "true", False: "false", None: None}
        if len(values) <= SMALL:
            return pl.Series(values.name, [words[value] for value in values.to_list()], dtype=pl.String)
        return values.cast(pl.UInt8).cast(pl.String).replace({"0": "false", "1": "true"})
    if dtype.is_float() or dtype.is_decimal():
        return _number_text(values.cast(pl.Float64))
    return values.cast(pl.String, strict=False)


def _number_text(numbers: pl.Series) -> pl.Series:
    import polars as pl

    name = numbers.name
    whole = (pl.col(name) == pl.col(name).floor()) & (pl.col(name).abs() < 2.0**53)
    text = (
        pl.when(whole)
        .then(pl.col(name).cast(pl.Int64, strict=False).cast(pl.String))
        .when(pl.col(name).is_finite())
        .then(pl.col(name).cast(pl.String))
    )
    return numbers.to_frame().select(text.alias(name)).to_series()


def as_numbers(values: pl.Series) -> tuple[pl.Series, pl.Series]:
    """Cleaned text as Float64 (null where it is no number), beside the text itself."""
    import polars as pl

    text = clean(values)
    return text.cast(pl.Float64, strict=False), text


def floats(values: pl.Series) -> Array:
    """One column as float32: what is no number, and what is infinite, is NaN."""
    import numpy as np
    import polars as pl

    if values.dtype == pl.Object or values.dtype.is_nested() or values.dtype.is_temporal():
        return np.full(len(values), np.nan, dtype=np.float32)
    if values.dtype in (pl.Categorical, pl.Enum):
        values = values.cast(pl.String)
    if values.dtype == pl.String:
        values = as_numbers(values)[0]
    found: Array = values.cast(pl.Float32, strict=False).to_numpy()
    if len(found) and not np.isfinite(found.sum(dtype=np.float64)):
        found = np.where(np.isinf(found), np.float32("nan"), found)
    return found


def refuse(values: pl.Series, field: Field, expected: str) -> TreadleError:
    """The error for a column of a type that cannot be read at all."""
    return TreadleError(f"holds {values.dtype}", where=f"column {field.name!r}", expected=expected)


def broken(values: pl.Series, row: int, field: Field, problem: str, expected: str) -> TreadleError:
    """The error for one value that cannot be read."""
    return TreadleError(
        f"{values[row]!r} {problem}",
        where=f"column {field.name!r}, row {row + 1}",
        expected=expected,
        remedy=f"mend the value, or say `columns: {{{field.name}: category}}` in the spec",
    )


def first_gap(found: pl.Series, text: pl.Series) -> int | None:
    """The first row that has text but was not read; None when all was read."""
    if found.null_count() == text.null_count():
        return None
    return int((found.is_null() & text.is_not_null()).arg_true()[0])
