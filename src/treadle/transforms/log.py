"""Orders of magnitude instead of sizes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from treadle.transforms._columns import ColumnStep, array, series

if TYPE_CHECKING:
    import polars as pl


class Log(ColumnStep):
    """``sign(x) * log(1 + |x|)``: for numbers of either sign, zero stays zero."""

    def change(self, column: pl.Series, known: Any) -> list[pl.Series]:
        """The same column on the logarithmic scale."""
        import numpy as np

        values = array(column)
        return [series(column.name, np.sign(values) * np.log1p(np.abs(values)))]


COMPONENT = Log
