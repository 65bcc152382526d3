"""Mean 0 and variance 1."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from treadle.transforms._columns import ColumnStep, array, finite, present, series

if TYPE_CHECKING:
    import polars as pl


class Standardize(ColumnStep):
    """Numbers less their mean, over their standard deviation; a constant column becomes zeros."""

    def learn(self, column: pl.Series) -> list[float]:
        """Mean and deviation."""
        values = present(column)
        if not len(values):
            return [0.0, 1.0]
        return [float(values.mean()), float(values.std()) or 1.0]

    def sound(self, known: Any) -> bool:
        """Two numbers, the deviation above zero."""
        return finite(known, 2) and known[1] > 0

    def change(self, column: pl.Series, known: Any) -> list[pl.Series]:
        """The same column, standardized."""
        return [series(column.name, (array(column) - known[0]) / known[1])]


COMPONENT = Standardize
