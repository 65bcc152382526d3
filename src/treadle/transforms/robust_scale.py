"""Median 0 and quartile distance 1."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from treadle.core.options import Doc
from treadle.transforms._columns import ColumnStep, array, finite, present, series

if TYPE_CHECKING:
    import polars as pl


class RobustScale(ColumnStep):
    """Numbers less their median, over the distance of their quartiles, so that outliers have no say in the scale.

    Where the quartiles are one, half the range takes their place. ``smooth`` also bends the tails so that nothing
    lies beyond 3 (Holzmueller, Grinsztajn and Steinwart 2024).
    """

    def __init__(self, *, smooth: Annotated[bool, Doc("bend the tails to within 3")] = False) -> None:
        self.smooth = smooth

    def learn(self, column: pl.Series) -> list[float]:
        """Median and scale."""
        import numpy as np

        values = present(column)
        if not len(values):
            return [0.0, 1.0]
        low, median, high = np.quantile(values, [0.25, 0.5, 0.75])
        scale = float(high - low) or float(values.max() - values.min()) / 2 or 1.0
        return [float(median), scale]

    def sound(self, known: Any) -> bool:
        """Two numbers, the scale above zero."""
        return finite(known, 2) and known[1] > 0

    def change(self, column: pl.Series, known: Any) -> list[pl.Series]:
        """The same column, scaled."""
        import numpy as np

        values = (array(column) - known[0]) / known[1]
        if self.smooth:
            values = values.clip(-1e6, 1e6)
            values = values / np.sqrt(1.0 + (values / 3.0) ** 2)
        return [series(column.name, values)]


COMPONENT = RobustScale
