"""Fill the gaps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from treadle.core.errors import TreadleError
from treadle.core.options import Doc
from treadle.transforms._columns import NUMBERS, ColumnStep, array, counted, present, series, words

if TYPE_CHECKING:
    import polars as pl


class Impute(ColumnStep):
    """Missing values replaced by one learned from the training rows, or by a given one.

    With ``flag`` a second column says where they were (numbers only).
    """

    kinds = NUMBERS | {"category"}

    def __init__(
        self,
        *,
        how: Annotated[
            Literal["median", "mean", "mode", "constant"] | None,
            Doc("what fills a gap; by default the median of numbers, the most frequent category"),
        ] = None,
        value: Annotated[float | str | None, Doc("for `constant`")] = None,
        flag: Annotated[bool, Doc("add a column that says where values were missing")] = False,
    ) -> None:
        self.how = how
        self.value = value
        self.flag = flag

    def learn(self, column: pl.Series) -> float | str:
        """The value that fills."""
        import numpy as np

        place = f"features.{column.name}.impute"
        if self.how == "constant" and self.value is None:
            raise TreadleError("a constant needs its value", where=place, expected="{how: constant, value: 0}")
        if not column.dtype.is_numeric():
            if self.how in ("median", "mean") or self.flag:
                raise TreadleError(
                    f"text has no {self.how}" if self.how in ("median", "mean") else "only numbers can be flagged",
                    where=place, expected="how: mode or constant",
                )  # fmt: skip
            ranked = counted(column)
            return str(self.value) if self.how == "constant" else ranked[0][0] if ranked else ""
        values = present(column)
        if self.how == "constant":
            try:
                return float(self.value)  # type: ignore[arg-type]
            except ValueError:
                raise TreadleError(f"{self.value!r} is not a number", where=place) from None
        if not len(values):
            return 0.0
        if self.how == "mode":
            distinct, counts = np.unique(values, return_counts=True)
            return float(distinct[counts.argmax()])
        return float(values.mean() if self.how == "mean" else np.median(values))

    def sound(self, known: Any) -> bool:
        """One value."""
        return isinstance(known, str | float | int) and not isinstance(known, bool)

    def change(self, column: pl.Series, known: Any) -> list[pl.Series]:
        """The column without gaps, and the flag where it is wanted."""
        import numpy as np

        if isinstance(known, str):
            return [words(column).fill_null(known)]
        values = array(column)
        absent = np.isnan(values)
        filled = [series(column.name, np.where(absent, known, values))]
        return [*filled, series(f"{column.name} missing", absent.astype(np.float64))] if self.flag else filled


COMPONENT = Impute
