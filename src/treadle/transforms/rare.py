"""Rare categories pooled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from treadle.core.options import Doc, Range
from treadle.transforms._columns import ColumnStep, counted, texts, words

if TYPE_CHECKING:
    import polars as pl

POOL = "(rare)"


class Rare(ColumnStep):
    """Categories that few training rows have, and those never seen, become one: ``(rare)``."""

    kinds = frozenset({"category"})

    def __init__(
        self,
        *,
        share: Annotated[float, Range(0.0, 1.0), Doc("smallest share of the rows that a category must have")] = 0.01,
        top: Annotated[int | None, Range(1, 1_000_000), Doc("keep only so many, the most frequent")] = None,
    ) -> None:
        self.share = share
        self.top = top

    def learn(self, column: pl.Series) -> list[str]:
        """The categories kept."""
        least = self.share * len(column)
        kept = [value for value, count in counted(column) if count >= least]
        return kept[: self.top] if self.top else kept

    def sound(self, known: Any) -> bool:
        """Different texts."""
        return texts(known)

    def change(self, column: pl.Series, known: Any) -> list[pl.Series]:
        """The column with what is rare pooled; missing stays missing."""
        text = words(column)
        other = (~text.is_in(known)).fill_null(False)
        return [text.set(other, POOL)]


COMPONENT = Rare
