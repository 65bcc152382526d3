"""Hold numbers between two bounds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from treadle.core.errors import TreadleError
from treadle.core.options import Doc, Range
from treadle.transforms._columns import ColumnStep, array, finite, present, series

if TYPE_CHECKING:
    import polars as pl


class Clip(ColumnStep):
    """Numbers held between bounds: given ones, or quantiles of the training rows (winsorizing)."""

    def __init__(
        self,
        *,
        low: Annotated[float | None, Doc("smallest value kept; learned when not given")] = None,
        high: Annotated[float | None, Doc("largest value kept; learned when not given")] = None,
        quantile: Annotated[float, Range(0.0, 0.49), Doc("share cut off on a side whose bound is learned")] = 0.005,
    ) -> None:
        self.low = low
        self.high = high
        self.quantile = quantile

    def learn(self, column: pl.Series) -> list[float]:
        """The two bounds."""
        import numpy as np

        values = present(column)
        low, high = np.quantile(values, [self.quantile, 1 - self.quantile]) if len(values) else (0.0, 0.0)
        bounds = [float(low if self.low is None else self.low), float(high if self.high is None else self.high)]
        if bounds[0] > bounds[1]:
            raise TreadleError(
                f"the lower bound {bounds[0]:g} is above the upper bound {bounds[1]:g}",
                where=f"features.{column.name}.clip",
            )
        return bounds

    def sound(self, known: Any) -> bool:
        """Two numbers in order."""
        return finite(known, 2) and known[0] <= known[1]

    def change(self, column: pl.Series, known: Any) -> list[pl.Series]:
        """The same column within the bounds."""
        return [series(column.name, array(column).clip(known[0], known[1]))]


COMPONENT = Clip
