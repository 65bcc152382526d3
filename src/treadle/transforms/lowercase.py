"""Text in small letters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from treadle.transforms._columns import WORDS, ColumnStep, words

if TYPE_CHECKING:
    import polars as pl


class Lowercase(ColumnStep):
    """Text in small letters, so that ``Oslo`` and ``OSLO`` are one."""

    kinds = WORDS

    def change(self, column: pl.Series, known: Any) -> list[pl.Series]:
        """The same column in small letters."""
        return [words(column).str.to_lowercase()]


COMPONENT = Lowercase
