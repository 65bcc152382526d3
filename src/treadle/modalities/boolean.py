"""Yes or no."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Self

from treadle.core.types import Block, Field, Needs, Profile
from treadle.core.values import FALSE, TRUE
from treadle.modalities._values import SMALL, as_text, broken, first_gap, floats, refuse

if TYPE_CHECKING:
    import polars as pl

    from treadle.core.types import Array

WORDS = {**dict.fromkeys(TRUE, 1.0), **dict.fromkeys(FALSE, 0.0)}


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
            np.copyto(values, np.float32(0.5), where=np.isnan(values))
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
        if column.dtype == pl.String or column.dtype.is_numeric():
            found = column.drop_nulls().unique()
            values = set(as_text(found.head(64)).drop_nulls().to_list()) if len(found) <= 64 else set()
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
        """Booleans, 0 and 1, and the usual words, as 1.0 and 0.0."""
        import polars as pl

        if values.dtype.is_nested() or values.dtype.is_temporal():
            raise refuse(values, field, "true and false")
        flags = _flags(values)
        if values.dtype == pl.Boolean or flags.null_count() == values.null_count():
            return flags
        text = as_text(values)
        row = first_gap(flags, text)
        if row is not None:
            raise broken(values, row, field, "is neither true nor false", "true or false (yes/no, 1/0), or nothing")
        return flags

    def defaults(self, task: str) -> Sequence[str]:
        """The same models that numbers get."""
        return {"classification": ("hist_boosting", "linear"), "regression": ("hist_boosting", "linear")}.get(task, ())


def _flags(column: pl.Series) -> pl.Series:
    """1.0, 0.0 or null, Float32."""
    import numpy as np
    import polars as pl

    if column.dtype == pl.Boolean:
        return column.cast(pl.Float32)
    if column.dtype.is_numeric():
        numbers = floats(column)
        good = (numbers == 0) | (numbers == 1)
        return pl.Series(column.name, np.where(good, numbers, np.nan), dtype=pl.Float32, nan_to_null=True)
    text = as_text(column)
    if len(text) <= SMALL:
        found = [None if value is None else WORDS.get(value) for value in text.to_list()]
        return pl.Series(column.name, found, dtype=pl.Float32)
    return text.replace_strict(WORDS, default=None, return_dtype=pl.Float32)


COMPONENT = Boolean
