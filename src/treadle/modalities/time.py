"""Points in time, learned from by their parts."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from treadle.core.arrays import load_arrays, save_arrays
from treadle.core.errors import TreadleError
from treadle.core.types import Block, Field, Needs, Profile
from treadle.modalities._values import SMALL, broken, clean, first_gap, refuse

if TYPE_CHECKING:
    import polars as pl

    from treadle.core.types import Array

PARTS = ("year", "month", "day", "weekday", "hour", "minute")
CYCLES = {"month": 12.0, "weekday": 7.0, "hour": 24.0}
STATISTICS = ("used", "fill", "low", "high", "mean", "scale")
ISO = "iso"
FORMS = (
    "%Y-%m-%d",
    "%Y-%m-%d %H:%M:%S%.f",
    "%Y-%m-%dT%H:%M:%S%.f",
    "%Y-%m-%d %H:%M",
    "%Y-%m-%dT%H:%M",
    "%Y/%m/%d",
    "%Y/%m/%d %H:%M:%S",
    "%Y/%m/%d %H:%M",
    "%d.%m.%Y",
    "%d.%m.%Y %H:%M",
    "%d.%m.%Y %H:%M:%S",
    "%m/%d/%Y",
    "%d/%m/%Y",
    "%m/%d/%Y %H:%M",
    "%d/%m/%Y %H:%M",
    "%m/%d/%Y %H:%M:%S",
    "%d/%m/%Y %H:%M:%S",
    "%d-%m-%Y",
    "%d %b %Y",
    "%b %d, %Y",
    "%d %B %Y",
    "%B %d, %Y",
    "%d-%b-%Y",
    "%Y%m%d",
)


class TimeEncoder:
    """Year, month, day, weekday, hour and minute as float32 columns; for a model that wants scaled columns also the
    sine and cosine of month, weekday and hour, so that December lies beside January.

    Parts that never vary in training are left out. Missing values are NaN, or the training median. Scaled parts are
    held within the range seen in training: a year that lies ahead is read as the last one known, for nothing says how
    a trend goes on. The time that has passed since a day is the transform ``elapsed``, for those who want that.
    """

    def __init__(self, *, columns: tuple[str, ...], missing: bool, scaled: bool) -> None:
        self.columns = columns
        self.missing = missing
        self.scaled = scaled

    def fit(self, frame: pl.DataFrame) -> Self:
        """Learn which parts vary, their medians and ranges."""
        import numpy as np

        values, _ = self._parts(frame)
        width = values.shape[1]
        self.used: Array = np.zeros(width, dtype=bool)
        self.fill: Array = np.zeros(width)
        self.low: Array = np.zeros(width)
        self.high: Array = np.zeros(width)
        self.mean: Array = np.zeros(width)
        self.scale: Array = np.ones(width)
        for position in range(width):
            present = values[:, position][~np.isnan(values[:, position])].astype(np.float64)
            if len(present) and present.max() - present.min() > 1e-6:
                self.used[position] = True
                self.fill[position] = np.median(present)
                self.low[position], self.high[position] = present.min(), present.max()
                self.mean[position], self.scale[position] = present.mean(), present.std()
        return self

    def apply(self, frame: pl.DataFrame) -> Block:
        """The parts of these rows."""
        import numpy as np

        values, names = self._parts(frame)
        used = self.used
        values = values[:, used]
        if not self.missing:
            values = np.where(np.isnan(values), self.fill[used].astype(np.float32), values)
        if self.scaled:
            values = np.clip(values, self.low[used].astype(np.float32), self.high[used].astype(np.float32))
            values = (values - self.mean[used].astype(np.float32)) / self.scale[used].astype(np.float32)
        kept = tuple(name for name, wanted in zip(names, used, strict=True) if wanted)
        owners = np.repeat(np.array(self.columns, dtype=object), len(names) // max(1, len(self.columns)))
        return Block(values, kept, tuple(owners[used]))

    def save(self, folder: Path) -> None:
        """Write what was learned."""
        save_arrays(folder, {name: getattr(self, name) for name in STATISTICS})

    def load(self, folder: Path) -> Self:
        """Read and check it."""
        import numpy as np

        shape = (len(self.columns) * (len(PARTS) + 2 * len(CYCLES) * self.scaled),)
        for name, array in zip(STATISTICS, load_arrays(folder, *STATISTICS), strict=True):
            if array.shape != shape or array.dtype.kind != ("b" if name == "used" else "f"):
                raise TreadleError("the statistics do not fit the columns", where=folder / f"{name}.npy")
            if name != "used" and not np.isfinite(array).all():
                raise TreadleError("the statistics are not finite", where=folder / f"{name}.npy")
            setattr(self, name, array)
        if (self.scale <= 0).any():
            raise TreadleError("a deviation is not above zero", where=folder / "scale.npy")
        return self

    def _parts(self, frame: pl.DataFrame) -> tuple[Array, list[str]]:
        import numpy as np
        import polars as pl

        found: list[pl.Expr] = []
        for column in self.columns:
            moment = pl.col(column)
            for part in PARTS:
                value = getattr(moment.dt, part)().cast(pl.Float32)
                found.append(value.alias(f"{column} {part}"))
            for part, length in CYCLES.items() if self.scaled else ():
                angle = getattr(moment.dt, part)().cast(pl.Float32) * (2 * np.pi / length)
                found.extend((angle.sin().alias(f"{column} {part} sin"), angle.cos().alias(f"{column} {part} cos")))
        if not found:
            return np.zeros((frame.height, 0), dtype=np.float32), []
        moments = pl.DataFrame([_naive(frame[column]) for column in self.columns])
        parts = moments.select(found)
        return parts.to_numpy().astype(np.float32, copy=False), parts.columns


class Time:
    """Dates and times, stored as such or written in ISO 8601 and its relatives."""

    def infer(self, column: pl.Series) -> tuple[float, str] | None:
        """Sure of temporal types; of text when all of it reads as dates."""
        import polars as pl

        if column.dtype in (pl.Date, pl.Datetime):
            return 0.99, f"stored as {column.dtype}"
        if column.dtype == pl.String:
            present = clean(column.drop_nulls().head(1000)).drop_nulls()
            if not len(present) or not present.str.contains(r"\d.*[-/.: ].*\d").all():
                return None
            if _read(present)[0].null_count() == 0:
                return 0.96, f"reads as dates, such as {present[0]!r}"
        return None

    def options(self, column: pl.Series) -> Mapping[str, Any]:
        """The form that the dates of this column are written in, so that a single row is read as all were."""
        import polars as pl

        if column.dtype != pl.String:
            return {}
        form = _read(clean(column))[1]
        return {"format": form} if form and form != ISO else {}

    def encoder(self, fields: Sequence[Field], needs: Needs) -> TimeEncoder:
        """One encoder for all time columns together."""
        return TimeEncoder(columns=tuple(field.name for field in fields), missing=needs.missing, scaled=needs.scaled)

    def profile(self, column: pl.Series, like: Profile | None = None) -> Profile:
        """Extremes, in seconds since 1970."""
        moments = _naive(column).dt.epoch("s")
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
        """Dates, date-times (UTC where they name a zone), text in a form that is seen to be a date, seconds since 1970,
        or whole numbers such as 20261123."""
        import polars as pl

        if values.dtype.is_nested() or values.dtype in (pl.Boolean, pl.Binary, pl.Time, pl.Duration):
            raise refuse(values, field, "dates or times")
        if values.dtype == pl.Object:
            values = pl.Series(values.name, [None if v is None else str(v) for v in values.to_list()], pl.String)
        if values.dtype in (pl.Categorical, pl.Enum):
            values = values.cast(pl.String)
        if values.dtype != pl.String:
            return _naive(values)
        text = clean(values)
        moments = _read(text, field.options.get("format"))[0]
        row = first_gap(moments, text)
        if row is not None:
            raise broken(values, row, field, "is not a date", "a date such as 2026-11-23 or 2026-11-23T14:05:00")
        return moments

    def defaults(self, task: str) -> Sequence[str]:
        """The same models that numbers get."""
        return {"classification": ("hist_boosting", "linear"), "regression": ("hist_boosting", "linear")}.get(task, ())


def _naive(column: pl.Series) -> pl.Series:
    """Any column of moments as date-times without a zone (those with one in UTC); what cannot be read is null."""
    import polars as pl

    dtype = column.dtype
    if dtype == pl.Datetime:
        if getattr(dtype, "time_zone", None):
            column = column.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
        return column.cast(pl.Datetime("us"))
    if dtype == pl.String:
        return _read(clean(column))[0]
    if dtype.is_numeric():
        return _counted(column)
    if dtype in (pl.Date, pl.Null):
        return column.cast(pl.Datetime("us"))
    return pl.Series(column.name, [None] * len(column), dtype=pl.Datetime("us"))


def _counted(column: pl.Series) -> pl.Series:
    """Years (1000 to 3000), days such as 20261123, or (milli-, micro-)seconds since 1970, told apart by their size."""
    import polars as pl

    name = column.name
    whole = pl.col(name).cast(pl.Int64, strict=False)
    day = whole.cast(pl.String).str.to_date("%Y%m%d", strict=False).cast(pl.Datetime("us"))
    size = whole.abs()
    moment = (
        pl.when(size.is_between(1000, 3000))
        .then(pl.datetime(whole.clip(1000, 3000), 1, 1, time_unit="us"))
        .when(whole.is_between(10_000_101, 30_001_231) & day.is_not_null())
        .then(day)
        .when(size < 10**11)
        .then((whole * 1_000_000).cast(pl.Datetime("us")))
        .when(size < 10**14)
        .then((whole * 1_000).cast(pl.Datetime("us")))
        .otherwise(whole.cast(pl.Datetime("us")))
    )
    return column.to_frame().select(moment.alias(name)).to_series()


def _read(text: pl.Series, form: str | None = None) -> tuple[pl.Series, str | None]:
    """Cleaned text as date-times by the first form that reads all of it (else the one that reads most), and that form.

    Args:
        text: stripped, null where nothing stands.
        form: tried first: what the column was written in when the model was trained.
    """
    import polars as pl

    gaps = text.null_count()
    if form is None and len(text) <= SMALL:
        quick = _iso(text)
        if quick is not None:
            return quick, ISO
    best = _by_form(text, form) if form else None
    if best is not None and best.null_count() == gaps:
        return best, form
    found = form
    if text.str.contains(r"(Z|[+-]\d{2}:?\d{2})$").any():
        zoned = text.str.to_datetime("%+", strict=False, time_unit="us", time_zone="UTC").dt.replace_time_zone(None)
        if zoned.null_count() == gaps:
            return zoned, ISO
    for other in FORMS:
        moments = _by_form(text, other)
        if moments.null_count() == gaps:
            return moments, ISO if other.startswith("%Y-%m-%d") else other
        if best is None or moments.null_count() < best.null_count():
            best, found = moments, other
    quick = _iso(text)
    if quick is not None:
        return quick, ISO
    return (pl.Series(text.name, [None] * len(text), pl.Datetime("us")) if best is None else best), found


def _by_form(text: pl.Series, form: str) -> pl.Series:
    import polars as pl

    if "%H" in form:
        return text.str.to_datetime(form, strict=False, time_unit="us")
    return text.str.to_date(form, strict=False).cast(pl.Datetime("us"))


def _iso(text: pl.Series) -> pl.Series | None:
    """ISO 8601 by the standard library: quick for a few rows, and it reads forms mixed with one another."""
    import polars as pl

    found: list[datetime.datetime | None] = []
    for value in text.to_list():
        try:
            moment = None if value is None else datetime.datetime.fromisoformat(value)
        except ValueError:
            return None
        if moment is not None and moment.tzinfo is not None:
            moment = moment.astimezone(datetime.UTC).replace(tzinfo=None)
        found.append(moment)
    return pl.Series(text.name, found, dtype=pl.Datetime("us"))


COMPONENT = Time
