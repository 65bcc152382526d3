"""Parts of a text replaced by a pattern."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Self

from treadle.core.errors import TreadleError
from treadle.core.options import Doc
from treadle.transforms._columns import WORDS, ColumnStep, words

if TYPE_CHECKING:
    import polars as pl


class Replace(ColumnStep):
    """Everything that matches a regular expression, replaced; ``$1`` or ``${1}`` stands for its first group.

    The expressions are those of Rust's regex crate, which need no more than linear time.
    """

    kinds = WORDS

    def __init__(
        self,
        *,
        pattern: Annotated[str, Doc("a regular expression")],
        by: Annotated[str, Doc("what takes the place of a match")] = "",
    ) -> None:
        self.pattern = pattern
        self.by = by

    @classmethod
    def example(cls) -> Self:
        """Digits become one sign."""
        return cls(pattern=r"\d+", by="#")

    def learn(self, column: pl.Series) -> None:
        """Nothing, but a pattern that cannot be read is told here."""
        import polars as pl

        try:
            pl.Series([""]).str.replace_all(self.pattern, self.by)
        except pl.exceptions.PolarsError as error:
            reason = str(error).strip().splitlines()[-1]
            raise TreadleError(
                f"not a regular expression: {self.pattern!r} ({reason})", where=f"features.{column.name}.replace"
            ) from None

    def change(self, column: pl.Series, known: Any) -> list[pl.Series]:
        """The same column, replaced."""
        return [words(column).str.replace_all(self.pattern, self.by)]


COMPONENT = Replace
