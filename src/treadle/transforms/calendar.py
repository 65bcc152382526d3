"""The parts of a date."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from treadle.core.options import Doc
from treadle.transforms._columns import ColumnStep

if TYPE_CHECKING:
    import polars as pl

Part = Literal["year", "quarter", "month", "week", "day", "yearday", "weekday", "weekend", "hour", "minute"]
CYCLES = {"quarter": 4, "month": 12, "week": 52.18, "day": 31, "yearday": 365.25, "weekday": 7, "hour": 24,
          "minute": 60}  # fmt: skip


class Calendar(ColumnStep):
    """Parts of a time as numbers, one column each: ``"day hour"``, ``"day weekend"``, ...

    ``cyclic`` makes sine and cosine of those parts that begin anew, so that December lies beside January.
    """

    kinds = frozenset({"time"})
    makes = "number"

    def __init__(
        self,
        *,
        of: Annotated[tuple[Part, ...], Doc("the parts")] = ("year", "month", "day", "weekday", "weekend", "hour"),
        cyclic: Annotated[bool, Doc("sine and cosine instead of the number")] = False,
    ) -> None:
        self.of = of
        self.cyclic = cyclic

    def change(self, column: pl.Series, known: Any) -> list[pl.Series]:
        """One column a part, or two."""
        import numpy as np
        import polars as pl

        moment = column.cast(pl.Datetime("us")).dt
        found: list[pl.Series] = []
        for part in self.of:
            if part == "weekend":
                numbers = (moment.weekday() >= 6).cast(pl.Float64)
            else:
                numbers = getattr(moment, {"yearday": "ordinal_day"}.get(part, part))().cast(pl.Float64)
            name = f"{column.name} {part}"
            if self.cyclic and part in CYCLES:
                angle = numbers * (2 * np.pi / CYCLES[part])
                found.extend((angle.sin().alias(f"{name} sin"), angle.cos().alias(f"{name} cos")))
            else:
                found.append(numbers.alias(name))
        return found


COMPONENT = Calendar
