"""Numbers as a few intervals."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any, Literal

from treadle.core.options import Doc, Range
from treadle.transforms._columns import NUMBERS, ColumnStep, array, finite, present

if TYPE_CHECKING:
    import polars as pl


class Bin(ColumnStep):
    """The interval that a number lies in, as a category; intervals are closed on the left, the outer ones are open."""

    kinds = NUMBERS
    makes = "category"

    def __init__(
        self,
        *,
        bins: Annotated[int, Range(2, 1000), Doc("how many intervals, at most")] = 10,
        how: Annotated[Literal["quantile", "uniform"], Doc("as many rows in each, or as wide each")] = "quantile",
    ) -> None:
        self.bins = bins
        self.how = how

    def learn(self, column: pl.Series) -> list[float]:
        """The inner edges."""
        import numpy as np

        values = present(column)
        if not len(values):
            return []
        if self.how == "uniform":
            edges = np.linspace(values.min(), values.max(), self.bins + 1)[1:-1]
        else:
            edges = np.quantile(values, np.linspace(0, 1, self.bins + 1)[1:-1])
        inner = np.unique(edges)
        return [float(edge) for edge in inner[inner > values.min()]]

    def sound(self, known: Any) -> bool:
        """Ascending numbers."""
        return finite(known) and all(a < b for a, b in pairwise(known))

    def change(self, column: pl.Series, known: Any) -> list[pl.Series]:
        """The interval's name, null where the number is missing."""
        import numpy as np
        import polars as pl

        values = array(column)
        ends = ["-inf", *(f"{edge:.6g}" for edge in known), "inf"]
        if len(set(ends)) < len(ends):
            ends = ["-inf", *map(repr, known), "inf"]
        labels = [f"[{low}, {high})" for low, high in pairwise(ends)]
        codes = pl.Series(column.name, np.searchsorted(np.asarray(known), values, side="right"), dtype=pl.UInt32)
        names = pl.Series(column.name, labels, dtype=pl.String).gather(codes.clip(0, len(known)))
        return [names.set(pl.Series(np.isnan(values)), None).alias(column.name)]


COMPONENT = Bin
