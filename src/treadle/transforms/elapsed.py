"""The time that has passed since a day."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

from treadle.core.errors import TreadleError
from treadle.core.options import Doc
from treadle.transforms._columns import ColumnStep, finite

if TYPE_CHECKING:
    import polars as pl

SECONDS = {"days": 86_400.0, "hours": 3_600.0, "seconds": 1.0}


class Elapsed(ColumnStep):
    """Time since a day, as a number: since a given one, else since the earliest training row.

    It grows without end: trees read all that lies ahead as the latest they saw, linear models carry a trend on.
    """

    kinds = frozenset({"time"})
    makes = "number"

    def __init__(
        self,
        *,
        since: Annotated[str | None, Doc("a day such as 2026-01-31; the earliest seen when not given")] = None,
        unit: Annotated[Literal["days", "hours", "seconds"], Doc("of the number")] = "days",
    ) -> None:
        self.since = since
        self.unit = unit

    def learn(self, column: pl.Series) -> list[float]:
        """The beginning, in seconds since 1970."""
        import polars as pl

        if self.since is None:
            low = column.cast(pl.Datetime("us")).dt.epoch("s").min()
            return [float(low) if isinstance(low, int) else 0.0]
        try:
            day = datetime.datetime.fromisoformat(self.since)
        except ValueError:
            raise TreadleError(
                f"{self.since!r} is not a date", where=f"features.{column.name}.elapsed.since",
                expected="a day such as 2026-01-31",
            ) from None  # fmt: skip
        return [day.replace(tzinfo=day.tzinfo or datetime.UTC).timestamp()]

    def sound(self, known: Any) -> bool:
        """One number."""
        return finite(known, 1)

    def change(self, column: pl.Series, known: Any) -> list[pl.Series]:
        """The number."""
        import polars as pl

        seconds = column.cast(pl.Datetime("us")).dt.epoch("us").cast(pl.Float64) / 1e6
        return [((seconds - known[0]) / SECONDS[self.unit]).alias(f"{column.name} {self.unit}")]


COMPONENT = Elapsed
