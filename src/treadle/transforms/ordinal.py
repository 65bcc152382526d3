"""Categories in their order, as numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from treadle.core.options import Doc
from treadle.transforms._columns import ColumnStep, counted, texts, words

if TYPE_CHECKING:
    import polars as pl


class Ordinal(ColumnStep):
    """Each category as its place in an order: a given one, else by number or alphabet. One never seen is missing."""

    kinds = frozenset({"category"})
    makes = "number"

    def __init__(self, *, order: Annotated[tuple[str, ...] | None, Doc("the categories, lowest first")] = None) -> None:
        self.order = order

    def learn(self, column: pl.Series) -> list[str]:
        """The order."""
        if self.order:
            return list(dict.fromkeys(self.order))
        values = [value for value, _ in counted(column)]
        try:
            return sorted(values, key=lambda value: (float(value), value))
        except ValueError:
            return sorted(values)

    def sound(self, known: Any) -> bool:
        """Different texts."""
        return texts(known)

    def change(self, column: pl.Series, known: Any) -> list[pl.Series]:
        """The places, from 0."""
        import polars as pl

        text = words(column)
        if not known:
            return [pl.Series(column.name, [None] * len(text), dtype=pl.Float64)]
        places = {value: float(place) for place, value in enumerate(known)}
        return [text.replace_strict(places, default=None, return_dtype=pl.Float64)]


COMPONENT = Ordinal
