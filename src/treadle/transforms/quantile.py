"""Ranks instead of sizes, as a normal or a uniform distribution."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any, Literal

from treadle.core.options import Doc, Range
from treadle.transforms._columns import ColumnStep, array, finite, present, series

if TYPE_CHECKING:
    import polars as pl

EDGE = 1e-3


class Quantile(ColumnStep):
    """Each number's rank among the training rows, interpolated, laid out as a normal or a uniform distribution.

    Values beyond the training range get its ends, so no outlier is left.
    """

    def __init__(
        self,
        *,
        to: Annotated[Literal["normal", "uniform"], Doc("the distribution made")] = "normal",
        knots: Annotated[int, Range(10, 10_000), Doc("points at which the distribution is kept")] = 500,
    ) -> None:
        self.to = to
        self.knots = knots

    def learn(self, column: pl.Series) -> list[float]:
        """Quantiles, ascending."""
        import numpy as np

        values = present(column)
        if not len(values):
            return [0.0, 0.0]
        return [float(value) for value in np.quantile(values, np.linspace(0, 1, self.knots))]

    def sound(self, known: Any) -> bool:
        """Ascending numbers."""
        return finite(known) and len(known) >= 2 and all(a <= b for a, b in pairwise(known))

    def change(self, column: pl.Series, known: Any) -> list[pl.Series]:
        """The same column by rank; of values that repeat, the middle of their ranks."""
        import numpy as np

        values, knots = array(column), np.asarray(known)
        places = np.linspace(0, 1, len(knots))
        upper = np.interp(values, knots, places)
        lower = 1 - np.interp(-values, -knots[::-1], places)
        ranks = (upper + lower) / 2
        if self.to == "normal":
            from scipy.special import ndtri

            ranks = ndtri(ranks.clip(EDGE, 1 - EDGE))
        return [series(column.name, np.where(np.isnan(values), np.nan, ranks))]


COMPONENT = Quantile
