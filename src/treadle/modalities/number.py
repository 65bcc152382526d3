"""Numbers: quantities whose order and distance mean something."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Self

from treadle.core.arrays import load_arrays, save_arrays
from treadle.core.errors import TreadleError
from treadle.core.types import Block, Field, Needs, Profile
from treadle.core.values import MISSING

if TYPE_CHECKING:
    import polars as pl

    from treadle.core.types import Array

BINS = 64


class NumberEncoder:
    """Numbers as float32, (rows, columns); filled with the median and standardized only where the model wants it.

    A filled column that had missing values in training gets a second column that says where.
    """

    def __init__(self, *, columns: tuple[str, ...], missing: bool, scaled: bool) -> None:
        self.columns = columns
        self.missing = missing
        self.scaled = scaled

    def fit(self, frame: pl.DataFrame) -> Self:
        """Learn medians, means and deviations of the columns."""
        import numpy as np

        values = self._values(frame)
        width = len(self.columns)
        self.fill: Array = np.zeros(width, dtype=np.float64)
        self.mean: Array = np.zeros(width, dtype=np.float64)
        self.scale: Array = np.ones(width, dtype=np.float64)
        self.flagged: Array = np.zeros(width, dtype=bool)
        if self.missing and not self.scaled:
            return self
        for position in range(width):
            column = values[:, position].astype(np.float64)
            absent = np.isnan(column)
            present = column[~absent]
            self.flagged[position] = bool(absent.any()) and len(present) > 0
            if len(present):
                self.fill[position] = np.median(present)
                self.mean[position] = present.mean()
                deviation = present.std()
                self.scale[position] = deviation if deviation > 1e-12 else 1.0
        return self

    def apply(self, frame: pl.DataFrame) -> Block:
        """The numbers of these rows."""
        import numpy as np

        values = self._values(frame)
        names = self.columns
        columns = self.columns
        if not self.missing:
            absent = np.isnan(values)
            if absent.any():
                values = np.where(absent, self.fill.astype(np.float32), values)
            if self.scaled:
                values = (values - self.mean.astype(np.float32)) / self.scale.astype(np.float32)
            if self.flagged.any():
                values = np.concatenate([values, absent[:, self.flagged].astype(np.float32)], axis=1)
                marked = tuple(name for name, flag in zip(self.columns, self.flagged, strict=True) if flag)
                names = (*names, *(f"{name} missing" for name in marked))
                columns = (*columns, *marked)
        elif self.scaled:
            values = (values - self.mean.astype(np.float32)) / self.scale.astype(np.float32)
        return Block(values, names, columns)

    def save(self, folder: Path) -> None:
        """Write the learned statistics."""
        save_arrays(folder, {"fill": self.fill, "mean": self.mean, "scale": self.scale, "flagged": self.flagged})

    def load(self, folder: Path) -> Self:
        """Read and check them."""
        self.fill, self.mean, self.scale, self.flagged = load_arrays(folder, "fill", "mean", "scale", "flagged")
        shape = (len(self.columns),)
        if any(array.shape != shape for array in (self.fill, self.mean, self.scale, self.flagged)):
            raise TreadleError("the statistics do not fit the columns", where=folder)
        self.flagged = self.flagged.astype(bool)
        return self

    def _values(self, frame: pl.DataFrame) -> Array:
        import numpy as np
        import polars as pl

        if not self.columns:
            return np.zeros((frame.height, 0), dtype=np.float32)
        selected = frame.select(pl.col(name).cast(pl.Float32, strict=False) for name in self.columns)
        values = selected.to_numpy()
        if not np.isfinite(values.sum(dtype=np.float64)):
            values = np.where(np.isinf(values), np.float32("nan"), values)
        return values


class Number:
    """Numeric columns, and text columns in which every value is a number."""

    def infer(self, column: pl.Series) -> tuple[float, str] | None:
        """Sure of numeric types; of text only when all of it parses."""
        import polars as pl

        if column.dtype.is_numeric():
            return 0.8, f"stored as {column.dtype}"
        if column.dtype == pl.String:
            present = column.drop_nulls()
            if len(present) and present.str.strip_chars().cast(pl.Float64, strict=False).null_count() == 0:
                return 0.85, "every value reads as a number"
        return None

    def encoder(self, fields: Sequence[Field], needs: Needs) -> NumberEncoder:
        """One encoder for all number columns together."""
        return NumberEncoder(columns=tuple(field.name for field in fields), missing=needs.missing, scaled=needs.scaled)

    def profile(self, column: pl.Series, like: Profile | None = None) -> Profile:
        """Counts between quantile edges, with mean, spread and extremes."""
        import numpy as np
        import polars as pl

        values = column.cast(pl.Float64, strict=False).to_numpy()
        finite = values[np.isfinite(values)]
        if like is not None:
            edges = np.asarray(like.edges)
        elif len(finite):
            edges = np.unique(np.quantile(finite, np.linspace(0, 1, BINS + 1)[1:-1]))
        else:
            edges = np.zeros(0)
        counts = np.bincount(np.searchsorted(edges, finite, side="left"), minlength=len(edges) + 1)
        mean = float(finite.mean()) if len(finite) else 0.0
        return Profile(
            name=column.name,
            kind="number",
            rows=len(column),
            missing=len(column) - len(finite),
            edges=tuple(map(float, edges)),
            counts=tuple(map(int, counts)),
            mean=mean,
            spread=float(((finite - mean) ** 2).sum()),
            low=float(finite.min()) if len(finite) else None,
            high=float(finite.max()) if len(finite) else None,
        )

    def decode(self, values: pl.Series, field: Field) -> pl.Series:
        """Numbers, or text that reads as numbers; anything else names its row."""
        import polars as pl

        if values.dtype.is_numeric() or values.dtype in (pl.Boolean, pl.Null):
            return values.cast(pl.Float64) if not values.dtype.is_numeric() else values
        if values.dtype != pl.String:
            raise TreadleError(f"holds {values.dtype}", where=f"column {field.name!r}", expected="numbers")
        text = values.str.strip_chars()
        text = text.set(text.is_in(MISSING), None)
        numbers = text.cast(pl.Float64, strict=False)
        broken = (numbers.is_null() & text.is_not_null()).arg_true()
        if len(broken):
            row = int(broken[0])
            raise TreadleError(
                f"{values[row]!r} is not a number",
                where=f"column {field.name!r}, row {row + 1}",
                expected="a number, or nothing",
                remedy=f"mend the value, or say `columns: {{{field.name}: category}}` in the spec",
            )
        return numbers.rename(values.name)

    def defaults(self, task: str) -> Sequence[str]:
        """Boosted trees, and a linear model beside them."""
        return {
            "classification": ("hist_boosting", "linear"),
            "regression": ("hist_boosting", "linear"),
            "clustering": ("kmeans",),
            "anomaly": ("isolation_forest",),
        }.get(task, ())


COMPONENT = Number
