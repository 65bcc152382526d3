"""Points in time: their parts and the time since the first one seen."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Self

from treadle.core.arrays import load_arrays, save_arrays
from treadle.core.errors import TreadleError
from treadle.core.types import Block, Field, Needs, Profile

if TYPE_CHECKING:
    import polars as pl

    from treadle.core.types import Array

PARTS = ("year", "month", "day", "weekday", "hour", "minute")


class TimeEncoder:
    """Year, month, day, weekday, hour and minute as float32 columns.

    Parts that never vary in training are left out. Missing values are NaN, or the training median.
    """

    def __init__(self, *, columns: tuple[str, ...], missing: bool, scaled: bool) -> None:
        self.columns = columns
        self.missing = missing
        self.scaled = scaled

    def fit(self, frame: pl.DataFrame) -> Self:
        """Learn which parts vary, and their medians."""
        import numpy as np

        values, _ = self._parts(frame)
        width = values.shape[1]
        self.used: Array = np.zeros(width, dtype=bool)
        self.fill: Array = np.zeros(width, dtype=np.float64)
        self.mean: Array = np.zeros(width, dtype=np.float64)
        self.scale: Array = np.ones(width, dtype=np.float64)
        for position in range(width):
            present = values[:, position][~np.isnan(values[:, position])].astype(np.float64)
            if len(present) and present.min() < present.max():
                self.used[position] = True
                self.fill[position] = np.median(present)
                self.mean[position], self.scale[position] = present.mean(), present.std()
        return self

    def apply(self, frame: pl.DataFrame) -> Block:
        """The parts of these rows."""
        import numpy as np

        values, names = self._parts(frame)
        values = values[:, self.used]
        if not self.missing:
            values = np.where(np.isnan(values), self.fill[self.used].astype(np.float32), values)
        if self.scaled:
            values = (values - self.mean[self.used].astype(np.float32)) / self.scale[self.used].astype(np.float32)
        kept = tuple(name for name, used in zip(names, self.used, strict=True) if used)
        return Block(values, kept, tuple(name.rsplit(" ", 1)[0] for name in kept))

    def save(self, folder: Path) -> None:
        """Write what was learned."""
        save_arrays(folder, {"used": self.used, "fill": self.fill, "mean": self.mean, "scale": self.scale})

    def load(self, folder: Path) -> Self:
        """Read and check it."""
        self.used, self.fill, self.mean, self.scale = load_arrays(folder, "used", "fill", "mean", "scale")
        shape = (len(self.columns) * len(PARTS),)
        if any(array.shape != shape for array in (self.used, self.fill, self.mean, self.scale)):
            raise TreadleError("the statistics do not fit the columns", where=folder)
        self.used = self.used.astype(bool)
        return self

    def _parts(self, frame: pl.DataFrame) -> tuple[Array, list[str]]:
        import numpy as np
        import polars as pl

        names = [f"{column} {part}" for column in self.columns for part in PARTS]
        if not names:
            return np.zeros((frame.height, 0), dtype=np.float32), names
        parts: list[pl.Expr] = []
        for column in self.columns:
            moment = pl.col(column).cast(pl.Datetime("us"))
            parts.extend(getattr(moment.dt, part)().cast(pl.Float32).alias(f"{column} {part}") for part in PARTS)
        return frame.select(parts).to_numpy(), names


class Time:
    """Dates and times, stored as such or written in ISO 8601 and its relatives."""

    def infer(self, column: pl.Series) -> tuple[float, str] | None:
        """Sure of temporal types; of text when all of it reads as dates."""
        import polars as pl

        if column.dtype in (pl.Date, pl.Datetime):
            return 0.99, f"stored as {column.dtype}"
        if column.dtype == pl.String:
            present = column.drop_nulls().head(1000)
            if len(present) and present.str.contains(r"\d").all() and _moments(present).null_count() == 0:
                return 0.96, f"reads as dates, such as {present[0]!r}"
        return None

    def encoder(self, fields: Sequence[Field], needs: Needs) -> TimeEncoder:
        """One encoder for all time columns together."""
        return TimeEncoder(columns=tuple(field.name for field in fields), missing=needs.missing, scaled=needs.scaled)

    def profile(self, column: pl.Series, like: Profile | None = None) -> Profile:
        """Extremes, in seconds since 1970."""
        import polars as pl

        moments = column.cast(pl.Datetime("us"), strict=False).dt.epoch("s")
        low, high = moments.min(), moments.max()
        return Profile(
            name=column.name,
            kind="time",
            rows=len(column),
            missing=moments.null_count(),
            low=float(low) if isinstance(low, int) else None,
            high=float(high) if isinstance(high, int) else None,
        )

    def decode(self, values: pl.Series, field: Field) -> pl.Series:
        """Dates, date-times, or text in a form that is seen to be a date."""
        import polars as pl

        if values.dtype in (pl.Date, pl.Datetime) or values.dtype == pl.Null:
            return values.cast(pl.Datetime("us"))
        if values.dtype != pl.String:
            raise TreadleError(f"holds {values.dtype}", where=f"column {field.name!r}", expected="dates or times")
        moments = _moments(values)
        broken = (moments.is_null() & values.is_not_null()).arg_true()
        if len(broken):
            row = int(broken[0])
            raise TreadleError(
                f"{values[row]!r} is not a date",
                where=f"column {field.name!r}, row {row + 1}",
                expected="a date such as 2026-11-23 or 2026-11-23T14:05:00",
            )
        return moments

    def defaults(self, task: str) -> Sequence[str]:
        """The same models that numbers get."""
        return {"classification": ("hist_boosting", "linear"), "regression": ("hist_boosting", "linear")}.get(task, ())


FORMS = (
    "%Y-%m-%d",
    "%Y-%m-%d %H:%M:%S%.f",
    "%Y-%m-%dT%H:%M:%S%.f",
    "%Y-%m-%d %H:%M",
    "%Y-%m-%dT%H:%M",
    "%Y/%m/%d",
    "%Y/%m/%d %H:%M:%S",
    "%d.%m.%Y",
    "%m/%d/%Y",
    "%d/%m/%Y",
    "%m/%d/%Y %H:%M",
    "%m/%d/%Y %H:%M:%S",
)


def _moments(text: pl.Series) -> pl.Series:
    """The text as date-times by the first form that reads all of it (else the one that reads most)."""
    import polars as pl

    best: pl.Series | None = None
    stripped = text.str.strip_chars()
    zoned = stripped.str.contains(r"(Z|[+-]\d{2}:?\d{2})$").any()
    if zoned:
        moments = stripped.str.to_datetime("%+", strict=False, time_unit="us", time_zone="UTC").dt.replace_time_zone(
            None
        )
        if moments.null_count() == text.null_count():
            return moments
        best = moments
    for form in FORMS:
        if "%H" in form:
            moments = stripped.str.to_datetime(form, strict=False, time_unit="us")
        else:
            moments = stripped.str.to_date(form, strict=False).cast(pl.Datetime("us"))
        if moments.null_count() == text.null_count():
            return moments
        if best is None or moments.null_count() < best.null_count():
            best = moments
    return text.str.to_datetime(FORMS[0], strict=False) if best is None else best


COMPONENT = Time
