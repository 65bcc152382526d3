"""Identifiers: one value a row; nothing can be learned from them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Never

from treadle.core.errors import TreadleError
from treadle.core.types import Field, Needs, Profile
from treadle.modalities._values import clean

if TYPE_CHECKING:
    import polars as pl

SAMPLED = 10_000
CALENDAR = re.compile(r"(^|[\W_])(year|month|week|day|date|time|hour|age|rank)s?$", re.IGNORECASE)
NAMED = re.compile(r"(^|[\W_])(id|uuid|guid|key|index|row|nr|no)$|[a-z]I[Dd]$", re.IGNORECASE)


class Id:
    """Columns in which no value comes twice, and which are no quantity."""

    def infer(self, column: pl.Series) -> tuple[float, str] | None:
        """Whole numbers that count up, and text in one word, both without a repetition."""
        import polars as pl

        present = column.drop_nulls()
        if len(present) < 20 or present.n_unique() < len(present):
            return None
        if column.dtype.is_integer():
            steps = present.diff().drop_nulls().unique()
            if len(steps) == 1 and not CALENDAR.search(column.name) and (steps[0] == 1 or len(present) >= SAMPLED):
                return 0.97, "whole numbers that count up one by one"
            if NAMED.search(column.name):
                return 0.96, "named like an identifier, and no value comes twice"
            return None
        if column.dtype == pl.String:
            present = clean(present).drop_nulls()
            if len(present) < 20 or CALENDAR.search(column.name):
                return None
            words = present.str.contains(r"\s").any()
            number = present.cast(pl.Float64, strict=False).null_count() < len(present) / 2
            if not words and not number:
                return 0.9, "one word a row, and none comes twice"
        return None

    def encoder(self, fields: Sequence[Field], needs: Needs) -> Never:
        """Identifiers are never learned from."""
        raise TreadleError(
            "an identifier cannot be a feature",
            where=f"column {fields[0].name!r}",
            remedy="drop the column, or give it another kind under `columns`",
        )

    def profile(self, column: pl.Series, like: Profile | None = None) -> Profile:
        """Only how many there are."""
        return Profile(name=column.name, kind="id", rows=len(column), missing=column.null_count())

    def decode(self, values: pl.Series, field: Field) -> pl.Series:
        """As they are."""
        return values

    def defaults(self, task: str) -> Sequence[str]:
        """None."""
        return ()


COMPONENT = Id
