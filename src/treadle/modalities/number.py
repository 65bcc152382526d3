"""Numbers: quantities whose order and distance mean something."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Self

from treadle.core.arrays import load_arrays, save_arrays
from treadle.core.errors import TreadleError
from treadle.core.types import Block, Field, Needs, Profile
from treadle.modalities._values import as_numbers, broken, clean, first_gap, floats, refuse

if TYPE_CHECKING:
    import polars as pl

    from treadle.core.types import Array

BINS = 64
HEAVY = 4.0
MOSTLY = 0.95
LEADING_ZERO = r"^[+-]?0\d"
STATISTICS = ("fill", "center", "factor", "mean", "scale", "heavy", "flagged")


class NumberEncoder:
    """Numbers as float32, (rows, columns); filled with the median and scaled only where the model wants it.

    Scaled columns have mean 0 and variance 1. One with heavy tails (a value further than 4 quartile distances from the
    median) first goes through the robust scaling and smooth clipping of Holzmueller, Grinsztajn and Steinwart (2024,
    "Better by default"), which never reaches beyond 3: on Adult and California housing this helped linear models,
    nearest neighbours and networks alike. A filled column that had missing values in training gets a second column
    that says where.
    """

    def __init__(self, *, columns: tuple[str, ...], missing: bool, scaled: bool) -> None:
        self.columns = columns
        self.missing = missing
        self.scaled = scaled

    def fit(self, frame: pl.DataFrame) -> Self:
        """Learn medians, means and deviations of the columns."""
        import numpy as np

        width = len(self.columns)
        self.fill: Array = np.zeros(width)
        self.center: Array = np.zeros(width)
        self.factor: Array = np.ones(width)
        self.mean: Array = np.zeros(width)
        self.scale: Array = np.ones(width)
        self.heavy: Array = np.zeros(width, dtype=bool)
        self.flagged: Array = np.zeros(width, dtype=bool)
        if not self.missing or self.scaled:
            for position, name in enumerate(self.columns):
                self._learn(position, floats(frame[name]))
        return self

    def _learn(self, position: int, column: Array) -> None:
        import numpy as np

        present = column[~np.isnan(column)].astype(np.float64)
        if not len(present):
            return
        self.flagged[position] = not self.missing and len(present) < len(column)
        low, median, high = np.quantile(present, [0.25, 0.5, 0.75])
        self.fill[position] = median
        quartiles, reach = high - low, np.abs(present - median).max()
        if self.scaled and reach > HEAVY * quartiles:
            self.heavy[position] = True
            self.center[position] = median
            self.factor[position] = 1.0 / quartiles if quartiles > 0 else 2.0 / (present.max() - present.min())
            present = _clipped(present, median, self.factor[position])
        self.mean[position] = present.mean()
        deviation = present.std()
        self.scale[position] = deviation if deviation > 1e-12 * max(1.0, abs(self.mean[position])) else 1.0

    def apply(self, frame: pl.DataFrame) -> Block:
        """The numbers of these rows."""
        import numpy as np

        width = len(self.columns)
        marks = np.flatnonzero(self.flagged)
        values = np.empty((frame.height, width + len(marks)), dtype=np.float32, order="F")
        for position, name in enumerate(self.columns):
            values[:, position] = floats(frame[name])
        numbers = values[:, :width]
        if not self.missing:
            absent = np.isnan(numbers)
            values[:, width:] = absent[:, marks]
            if absent.any():
                np.copyto(numbers, self.fill.astype(np.float32), where=absent)
        if self.scaled:
            for position in np.flatnonzero(self.heavy).tolist():
                column = numbers[:, position].astype(np.float64)
                numbers[:, position] = _clipped(column, self.center[position], self.factor[position])
            numbers -= self.mean.astype(np.float32)
            numbers /= self.scale.astype(np.float32)
        marked = tuple(self.columns[position] for position in marks)
        names = (*self.columns, *(f"{name} missing" for name in marked))
        return Block(values, names, (*self.columns, *marked))

    def save(self, folder: Path) -> None:
        """Write the learned statistics."""
        save_arrays(folder, {name: getattr(self, name) for name in STATISTICS})

    def load(self, folder: Path) -> Self:
        """Read and check them."""
        import numpy as np

        for name, array in zip(STATISTICS, load_arrays(folder, *STATISTICS), strict=True):
            kind = "b" if name in ("heavy", "flagged") else "f"
            if array.shape != (len(self.columns),) or array.dtype.kind != kind:
                raise TreadleError("the statistics do not fit the columns", where=folder / f"{name}.npy")
            if kind == "f" and not np.isfinite(array).all():
                raise TreadleError("the statistics are not finite", where=folder / f"{name}.npy")
            setattr(self, name, array)
        if (self.scale <= 0).any():
            raise TreadleError("a deviation is not above zero", where=folder / "scale.npy")
        return self


def _clipped(values: Array, center: float, factor: float) -> Array:
    """Robustly scaled values, smoothly held within -3 and 3; missing ones stay missing."""
    import numpy as np

    scaled = np.clip((values - center) * factor, -1e6, 1e6)
    return np.asarray(scaled / np.sqrt(1.0 + (scaled / 3.0) ** 2))


class Number:
    """Numeric columns, and text columns in which every value is a number."""

    def infer(self, column: pl.Series) -> tuple[float, str] | None:
        """Sure of numeric types; of text when it parses, all of it or so much that the rest must be mistakes."""
        import polars as pl

        if column.dtype.is_numeric():
            return 0.8, f"stored as {column.dtype}"
        if column.dtype != pl.String:
            return None
        text = clean(column).drop_nulls()
        numbers = text.cast(pl.Float64, strict=False).drop_nulls()
        if not len(numbers) or text.str.contains(LEADING_ZERO).any():
            return None
        if len(numbers) == len(text):
            return 0.85, "every value reads as a number"
        share = len(numbers) / len(text)
        if share >= MOSTLY and numbers.n_unique() > 20:
            return 0.82, f"{share:.1%} of the values read as numbers"
        return None

    def encoder(self, fields: Sequence[Field], needs: Needs) -> NumberEncoder:
        """One encoder for all number columns together."""
        return NumberEncoder(columns=tuple(field.name for field in fields), missing=needs.missing, scaled=needs.scaled)

    def profile(self, column: pl.Series, like: Profile | None = None) -> Profile:
        """Counts between quantile edges, with mean, spread and extremes."""
        import numpy as np
        import polars as pl

        if column.dtype == pl.String:
            column = as_numbers(column)[0]
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

        dtype = values.dtype
        if dtype.is_decimal() or dtype in (pl.Boolean, pl.Null):
            return values.cast(pl.Float64)
        if dtype.is_numeric():
            return values
        if dtype in (pl.Categorical, pl.Enum):
            values = values.cast(pl.String)
        elif dtype == pl.Object:
            values = pl.Series(values.name, [None if v is None else str(v) for v in values.to_list()], pl.String)
        elif dtype != pl.String:
            raise refuse(values, field, "numbers")
        numbers, text = as_numbers(values)
        row = first_gap(numbers, text)
        if row is not None:
            raise broken(values, row, field, "is not a number", "a number, or nothing")
        return numbers

    def defaults(self, task: str) -> Sequence[str]:
        """Boosted trees, and a linear model beside them."""
        return {
            "classification": ("hist_boosting", "linear"),
            "regression": ("hist_boosting", "linear"),
            "clustering": ("kmeans",),
            "anomaly": ("isolation_forest",),
        }.get(task, ())


COMPONENT = Number
