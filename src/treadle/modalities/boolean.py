"""Yes or no."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Self

from treadle.core.errors import TreadleError
from treadle.core.types import Block, Field, Needs, Profile
from treadle.core.values import FALSE, MISSING, TRUE

if TYPE_CHECKING:
    import polars as pl

    from treadle.core.types import Array


class BooleanEncoder:
    """1.0 for true, 0.0 for false, float32; missing is NaN for a model that takes it, else 0.5."""

    def __init__(self, *, columns: tuple[str, ...], missing: bool) -> None:
        self.columns = columns
        self.missing = missing

    def fit(self, frame: pl.DataFrame) -> Self:
        """There is nothing to learn."""
        return self

    def apply(self, frame: pl.DataFrame) -> Block:
        """The numbers of these rows."""
        import numpy as np

        values: Array = np.empty((frame.height, len(self.columns)), dtype=np.float32)
        for position, name in enumerate(self.columns):
            values[:, position] = _flags(frame[name]).to_numpy()
        if not self.missing:
            values = np.where(np.isnan(values), np.float32(0.5), values)
        return Block(values, self.columns, self.columns)

    def save(self, folder: Path) -> None:
        """There is nothing to write."""

    def load(self, folder: Path) -> Self:
        """There is nothing to read."""
        return self


class Boolean:
    """Columns of two values that mean yes and no."""

    def infer(self, column: pl.Series) -> tuple[float, str] | None:
        """Sure of booleans, and of two values that both have a meaning."""
        import polars as pl

        if column.dtype == pl.Boolean:
            return 0.99, "stored as Boolean"
        if column.dtype == pl.String or column.dtype.is_integer():
            values = {str(value).strip() for value in column.drop_nulls().unique().head(4)} - set(MISSING)
            true, false = values & set(TRUE), values & set(FALSE)
            if len(values) == 2 and len(true) == len(false) == 1:
                return 0.95, f"only {false.pop()!r} and {true.pop()!r}"
        return None

    def encoder(self, fields: Sequence[Field], needs: Needs) -> BooleanEncoder:
        """One encoder for all such columns together."""
        return BooleanEncoder(columns=tuple(field.name for field in fields), missing=needs.missing)

    def profile(self, column: pl.Series, like: Profile | None = None) -> Profile:
        """How many of each."""
        flags = _flags(column)
        true, missing = int((flags == 1).sum()), flags.null_count()
        return Profile(
            name=column.name,
            kind="boolean",
            rows=len(column),
            missing=missing,
            categories={"false": len(column) - missing - true, "true": true},
        )

    def decode(self, values: pl.Series, field: Field) -> pl.Series:
        """Booleans, 0 and 1, and the usual words."""
        flags = _flags(values)
        text = values.cast(str, strict=False).str.strip_chars()
        broken = (flags.is_null() & text.is_not_null() & ~text.is_in(MISSING)).arg_true()
        if len(broken):
            row = int(broken[0])
            raise TreadleError(
                f"{values[row]!r} is neither true nor false",
                where=f"column {field.name!r}, row {row + 1}",
                expected="true or false (yes/no, 1/0), or nothing",
                remedy=f"mend the value, or say `columns: {{{field.name}: category}}` in the spec",
            )
        return flags

    def defaults(self, task: str) -> Sequence[str]:
        """The same models that numbers get."""
        return {"classification": ("hist_boosting", "linear"), "regression": ("hist_boosting", "linear")}.get(task, ())


def _flags(column: pl.Series) -> pl.Series:
    """1.0, 0.0 or null, Float32."""
    import polars as pl

    if column.dtype == pl.Boolean or column.dtype.is_float():
        numbers = column.cast(pl.Float32)
        return numbers.set(~numbers.is_in([0.0, 1.0]) & numbers.is_not_null(), None)
    text = column.cast(pl.String, strict=False).str.strip_chars()
    words = {**dict.fromkeys(TRUE, 1.0), **dict.fromkeys(FALSE, 0.0)}
    return text.replace_strict(words, default=None, return_dtype=pl.Float32)


COMPONENT = Boolean
