"""Categories: values that only name a group."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from treadle.core.errors import TreadleError
from treadle.core.files import write_json
from treadle.core.jsonable import read_json
from treadle.core.types import Block, Field, Needs, Profile
from treadle.core.values import MISSING

if TYPE_CHECKING:
    import polars as pl

KEPT_RAW = 1000
KEPT_ONE_HOT = 50
KEPT_PROFILE = 1000


class CategoryEncoder:
    """Categories as int32 codes for a model that takes them, else as one-hot columns (float32).

    Code -1 is missing; values that were rare or never seen in training share the last code where training had rare
    ones, else they are -1 as well. One-hot keeps the 50 most frequent, the rest share a column, and beside them stands
    the logarithm of each value's count in training, so that a column of many values keeps some of its meaning.
    """

    def __init__(self, *, columns: tuple[str, ...], raw: bool) -> None:
        self.columns = columns
        self.raw = raw

    def fit(self, frame: pl.DataFrame) -> Self:
        """Learn the values of each column, most frequent first."""
        import polars as pl

        limit = KEPT_RAW if self.raw else KEPT_ONE_HOT
        self.kept: list[list[str]] = []
        self.counts: list[list[int]] = []
        self.pooled: list[bool] = []
        for name in self.columns:
            text = _text(frame[name]).drop_nulls()
            table = text.alias("value").value_counts().sort(["count", "value"], descending=[True, False])
            enough = table.filter(pl.col("count") >= (2 if table.height > 20 else 1)).head(limit)
            self.kept.append(enough["value"].to_list())
            self.counts.append(enough["count"].to_list())
            self.pooled.append(enough.height < table.height)
        return self

    def apply(self, frame: pl.DataFrame) -> Block:
        """Codes, or one-hot columns."""
        import numpy as np

        codes = np.empty((frame.height, len(self.columns)), dtype=np.int32)
        for position, name in enumerate(self.columns):
            codes[:, position] = self._codes(frame[name], position)
        if self.raw:
            sizes = tuple(len(kept) + pooled for kept, pooled in zip(self.kept, self.pooled, strict=True))
            return Block(codes, self.columns, self.columns, "category", sizes)
        return self._one_hot(codes)

    def _codes(self, column: pl.Series, position: int) -> Any:
        import numpy as np
        import polars as pl

        kept = self.kept[position]
        text = _text(column)
        if not kept:
            return np.full(len(column), -1, dtype=np.int32)
        physical = text.cast(pl.Enum(kept), strict=False).to_physical().cast(pl.Int32)
        codes = physical.fill_null(-1).to_numpy()
        if self.pooled[position]:
            unseen = physical.is_null() & text.is_not_null()
            codes = np.where(unseen.to_numpy(), np.int32(len(kept)), codes)
        return codes

    def _one_hot(self, codes: Any) -> Block:
        import numpy as np

        parts: list[Any] = []
        names: list[str] = []
        columns: list[str] = []
        for position, name in enumerate(self.columns):
            labels = [*self.kept[position], *(["other"] if self.pooled[position] else [])]
            column = codes[:, position]
            hot = np.zeros((len(column), len(labels)), dtype=np.float32)
            rows = np.flatnonzero(column >= 0)
            hot[rows, column[rows]] = 1.0
            parts.append(hot)
            names.extend(f"{name}={label}" for label in labels)
            columns.extend([name] * len(labels))
            if self.pooled[position]:
                counts = np.log1p(np.array([*self.counts[position], 0, 0], dtype=np.float32))
                top = max(float(counts.max()), 1.0)
                parts.append((counts[column] / top).reshape(-1, 1).astype(np.float32))
                names.append(f"{name} count")
                columns.append(name)
        values = np.concatenate(parts, axis=1) if parts else np.zeros((len(codes), 0), dtype=np.float32)
        return Block(values, tuple(names), tuple(columns))

    def save(self, folder: Path) -> None:
        """Write the values as JSON."""
        write_json(
            folder / "categories.json",
            [
                {"name": name, "kept": kept, "counts": counts, "pooled": pooled}
                for name, kept, counts, pooled in zip(self.columns, self.kept, self.counts, self.pooled, strict=True)
            ],
        )

    def load(self, folder: Path) -> Self:
        """Read and check them."""
        path = folder / "categories.json"
        data = read_json(path)
        good = isinstance(data, list) and [item.get("name") for item in data] == list(self.columns)
        good = good and all(
            isinstance(item["kept"], list)
            and all(isinstance(value, str) for value in item["kept"])
            and len(set(item["kept"])) == len(item["kept"]) == len(item["counts"])
            for item in data
        )
        if not good:
            raise TreadleError("the categories do not fit the columns", where=path)
        self.kept = [item["kept"] for item in data]
        self.counts = [[int(count) for count in item["counts"]] for item in data]
        self.pooled = [bool(item["pooled"]) for item in data]
        return self


class Category:
    """Columns of few distinct values that repeat."""

    def infer(self, column: pl.Series) -> tuple[float, str] | None:
        """Text whose values repeat."""
        import polars as pl

        if column.dtype in (pl.Categorical, pl.Enum):
            return 0.95, f"stored as {column.dtype}"
        if column.dtype != pl.String:
            return None
        present = column.drop_nulls()
        if not len(present):
            return 0.3, "nothing but missing values"
        unique = present.n_unique()
        if unique <= max(20, len(present) * 0.2):
            return 0.8, f"{unique:,} distinct values in {len(present):,} rows"
        return 0.4, f"{unique:,} distinct values in {len(present):,} rows, short text"

    def encoder(self, fields: Sequence[Field], needs: Needs) -> CategoryEncoder:
        """One encoder for all category columns together."""
        return CategoryEncoder(columns=tuple(field.name for field in fields), raw="category" in needs.raw)

    def profile(self, column: pl.Series, like: Profile | None = None) -> Profile:
        """Rows by value, the 1,000 most frequent kept (or those that ``like`` keeps)."""
        text = _text(column)
        table = text.drop_nulls().alias("value").value_counts().sort(["count", "value"], descending=[True, False])
        counts = dict(zip(table["value"].to_list(), table["count"].to_list(), strict=True))
        kept = set(like.categories) if like is not None else set(list(counts)[:KEPT_PROFILE])
        return Profile(
            name=column.name,
            kind="category",
            rows=len(column),
            missing=text.null_count(),
            categories={value: count for value, count in counts.items() if value in kept},
            other=sum(count for value, count in counts.items() if value not in kept),
        )

    def decode(self, values: pl.Series, field: Field) -> pl.Series:
        """Anything that has a text form; a number is first brought to the type that training saw."""
        import polars as pl

        if values.dtype.is_nested():
            raise TreadleError(f"holds {values.dtype}", where=f"column {field.name!r}", expected="single values")
        seen = getattr(pl, field.dtype, None)
        if seen is not None and seen != pl.String and values.dtype != seen and seen in _plain_types():
            values = values.cast(seen, strict=False)
        return _text(values)

    def defaults(self, task: str) -> Sequence[str]:
        """Categories choose no model by themselves."""
        return ()


def _plain_types() -> tuple[Any, ...]:
    import polars as pl

    return (pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.UInt8, pl.UInt16, pl.UInt32, pl.UInt64, pl.Boolean)


def _text(column: pl.Series) -> pl.Series:
    """The values as text, without blanks around them, missing ones as null."""
    import polars as pl

    if column.dtype == pl.Boolean:
        column = column.cast(pl.UInt8).cast(pl.String).replace({"0": "false", "1": "true"})
    text = column.cast(pl.String, strict=False)
    if column.dtype == pl.String:
        text = text.str.strip_chars()
        text = text.set(text.is_in(MISSING), None)
    return text


COMPONENT = Category
