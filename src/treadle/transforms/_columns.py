"""What the steps share: each column by itself, what was learned as JSON, checked when read."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from treadle.core.errors import TreadleError, listing
from treadle.core.files import write_json
from treadle.core.jsonable import read_json

if TYPE_CHECKING:
    import polars as pl

    from treadle.core.types import Array

NUMBERS = frozenset({"number", "boolean"})
WORDS = frozenset({"category", "text"})


class ColumnStep:
    """A step that treats every column by itself: subclasses say what is learned of one, and how one is changed.

    Attributes:
        kinds: the kinds of columns it takes.
        makes: the kind of what comes out; None where that is what went in.
        state: what was learned, by column: JSON types only.
    """

    kinds: ClassVar[frozenset[str]] = NUMBERS
    makes: ClassVar[str | None] = None
    state: dict[str, Any]

    @classmethod
    def example(cls) -> Self:
        """With the defaults."""
        return cls()

    def fit(self, frame: pl.DataFrame) -> Self:
        """Learn from the training rows."""
        self.state = {name: self.learn(frame[name]) for name in frame.columns}
        return self

    def apply(self, frame: pl.DataFrame) -> pl.DataFrame:
        """The same rows, transformed."""
        import polars as pl

        fitting(self.state, frame)
        return pl.DataFrame([part for name, known in self.state.items() for part in self.change(frame[name], known)])

    def save(self, folder: Path) -> None:
        """Write what was learned as JSON."""
        write_json(folder / "state.json", self.state)

    def load(self, folder: Path) -> Self:
        """Read and check it."""
        path = folder / "state.json"
        state = read_json(path)
        if not isinstance(state, dict) or not all(self.sound(known) for known in state.values()):
            raise TreadleError("what the step learned cannot be read", where=path)
        self.state = state
        return self

    def learn(self, column: pl.Series) -> Any:
        """What must be known of one column, as JSON types."""
        return None

    def sound(self, known: Any) -> bool:
        """Whether something read from a file may be what `learn` returned."""
        return known is None

    def change(self, column: pl.Series, known: Any) -> list[pl.Series]:
        """The columns that one column becomes."""
        raise NotImplementedError


def fitting(state: dict[str, Any], frame: pl.DataFrame) -> None:
    """Raise when columns that were there in training are not there now."""
    absent = [name for name in state if name not in frame.columns]
    if absent:
        raise TreadleError(f"the step was fitted on columns that are not here: {listing(absent)}")


def array(column: pl.Series) -> Array:
    """A column as float64, NaN where it is missing or infinite."""
    import numpy as np
    import polars as pl

    values: Array = column.cast(pl.Float64, strict=False).to_numpy()
    return np.where(np.isfinite(values), values, np.nan)


def present(column: pl.Series) -> Array:
    """The finite values of a column, float64."""
    import numpy as np

    values = array(column)
    return values[~np.isnan(values)]


def series(name: str, values: Array) -> pl.Series:
    """An array as a column, NaN as null."""
    import polars as pl

    return pl.Series(name, values, dtype=pl.Float64, nan_to_null=True)


def words(column: pl.Series) -> pl.Series:
    """A column as text."""
    import polars as pl

    return column if column.dtype == pl.String else column.cast(pl.String, strict=False)


def counted(column: pl.Series) -> list[tuple[str, int]]:
    """The values of a text column with their counts, most frequent first."""
    table = words(column).drop_nulls().alias("value").value_counts()
    return list(table.sort(["count", "value"], descending=[True, False]).iter_rows())


def finite(known: Any, length: int | None = None) -> bool:
    """Whether something is a list of finite numbers, of that length where one is given."""
    return (
        isinstance(known, list)
        and (length is None or len(known) == length)
        and all(isinstance(value, int | float) and not isinstance(value, bool) for value in known)
        and all(math.isfinite(value) for value in known)
    )


def texts(known: Any) -> bool:
    """Whether something is a list of different texts."""
    return isinstance(known, list) and all(isinstance(value, str) for value in known) and len(set(known)) == len(known)
