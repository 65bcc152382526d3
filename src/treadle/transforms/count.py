"""How often a category occurs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any

from treadle.core.options import Doc
from treadle.transforms._columns import ColumnStep, counted, words

if TYPE_CHECKING:
    import polars as pl


class Count(ColumnStep):
    """Each category as the number of training rows that have it; one never seen is 0, a missing one stays missing.

    It reads no target, so nothing leaks.
    """

    kinds = frozenset({"category", "text"})
    makes = "number"

    def __init__(self, *, log: Annotated[bool, Doc("the logarithm of 1 + the count")] = True) -> None:
        self.log = log

    def learn(self, column: pl.Series) -> dict[str, int]:
        """Rows by category."""
        return dict(counted(column))

    def sound(self, known: Any) -> bool:
        """Counts by text."""
        return isinstance(known, dict) and all(
            isinstance(count, int) and not isinstance(count, bool) and 0 <= count < 2**53 for count in known.values()
        )

    def change(self, column: pl.Series, known: Any) -> list[pl.Series]:
        """The counts."""
        import polars as pl

        text = words(column)
        numbers = {value: math.log1p(count) if self.log else float(count) for value, count in known.items()}
        if not numbers:
            return [text.is_null().cast(pl.Float64).replace({1.0: None}).alias(column.name)]
        found = text.replace_strict(numbers, default=0.0, return_dtype=pl.Float64)
        return [found.set(text.is_null(), None)]


COMPONENT = Count
