"""Text without blanks around it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from treadle.core.options import Doc
from treadle.transforms._columns import WORDS, ColumnStep, words

if TYPE_CHECKING:
    import polars as pl


class Strip(ColumnStep):
    """Text without blanks around it, and with single ones inside; text that is then empty is missing."""

    kinds = WORDS

    def __init__(
        self, *, characters: Annotated[str | None, Doc("strip these characters instead of blanks")] = None
    ) -> None:
        self.characters = characters

    def change(self, column: pl.Series, known: Any) -> list[pl.Series]:
        """The same column, stripped."""
        text = words(column)
        if self.characters:
            text = text.str.strip_chars(self.characters)
        else:
            text = text.str.strip_chars().str.replace_all(r"\s+", " ")
        return [text.set((text == "").fill_null(False), None)]


COMPONENT = Strip
