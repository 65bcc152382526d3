"""Categories: values that only name a group."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from treadle.core.errors import TreadleError
from treadle.core.files import write_json
from treadle.core.jsonable import read_json
from treadle.core.types import Block, Field, Needs, Profile
from treadle.core.values import FALSE, TRUE
from treadle.modalities._values import SMALL, as_text, refuse

if TYPE_CHECKING:
    import polars as pl

    from treadle.core.types import Array

KEPT_RAW = 1000
KEPT_ONE_HOT = 50
KEPT_PROFILE = 1000
NUMERIC = frozenset({f"{kind}Int{bits}" for kind in ("", "U") for bits in (8, 16, 32, 64)} | {"Float32", "Float64"})
NAMED = re.compile(r"(^|[\W_])(zip|zip_?code|post_?code|postal_?code|plz|area_?code|phone)$", re.IGNORECASE)


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
            text = as_text(frame[name]).drop_nulls()
            table = text.alias("value").value_counts().sort(["count", "value"], descending=[True, False])
            enough = table.filter(pl.col("count") >= (2 if table.height > 20 else 1)).head(limit)
            self.kept.append(enough["value"].to_list())
            self.counts.append(enough["count"].to_list())
            self.pooled.append(enough.height < table.height)
        self._index()
        return self

    def _index(self) -> None:
        """What `apply` looks up: the code of each value, where each column's one-hot part begins, and all names."""
        self.codes = [{value: code for code, value in enumerate(kept)} for kept in self.kept]
        self.starts: list[int] = []
        names: list[str] = []
        columns: list[str] = []
        for position, name in enumerate(self.columns):
            self.starts.append(len(names))
            names.extend(f"{name}={value}" for value in self.kept[position])
            if self.pooled[position]:
                names.extend([f"{name}=(other)", f"{name} count"])
            columns.extend([name] * (len(names) - len(columns)))
        self.hot_names, self.hot_columns = tuple(names), tuple(columns)

    def apply(self, frame: pl.DataFrame) -> Block:
        """Codes, or one-hot columns."""
        import numpy as np

        codes = np.empty((frame.height, len(self.columns)), dtype=np.int32, order="F")
        for position, name in enumerate(self.columns):
            codes[:, position] = self._codes(frame[name], position)
        if self.raw:
            sizes = tuple(len(kept) + pooled for kept, pooled in zip(self.kept, self.pooled, strict=True))
            return Block(codes, self.columns, self.columns, "category", sizes)
        return self._one_hot(codes)

    def _codes(self, column: pl.Series, position: int) -> Array | list[int]:
        import numpy as np
        import polars as pl

        kept, unseen = self.kept[position], len(self.kept[position]) if self.pooled[position] else -1
        if len(column) <= SMALL:
            known = self.codes[position]
            return [-1 if value is None else known.get(value, unseen) for value in as_text(column).to_list()]
        if not kept:
            return np.where(as_text(column).is_null().to_numpy(), np.int32(-1), np.int32(unseen))
        text = column if column.dtype == pl.String else as_text(column)
        physical = text.cast(pl.Enum(kept), strict=False).to_physical().cast(pl.Int32)
        if physical.null_count() > text.null_count():
            text = as_text(text)
            physical = text.cast(pl.Enum(kept), strict=False).to_physical().cast(pl.Int32)
        codes: Array = physical.fill_null(-1).to_numpy()
        if unseen >= 0 and physical.null_count() > text.null_count():
            codes = np.where((physical.is_null() & text.is_not_null()).to_numpy(), np.int32(unseen), codes)
        return codes

    def _one_hot(self, codes: Array) -> Block:
        import numpy as np

        values = np.zeros((len(codes), len(self.hot_names)), dtype=np.float32, order="F")
        for position, start in enumerate(self.starts):
            column = codes[:, position]
            rows = np.flatnonzero(column >= 0)
            values[rows, start + column[rows]] = 1.0
            if self.pooled[position]:
                counts = np.log1p(np.array([*self.counts[position], 0, 0], dtype=np.float32))
                values[:, start + len(self.kept[position]) + 1] = counts[column] / max(float(counts.max()), 1.0)
        return Block(values, self.hot_names, self.hot_columns)

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
        if not isinstance(data, list) or len(data) != len(self.columns) or not all(map(_sound, data, self.columns)):
            raise TreadleError("the categories do not fit the columns", where=path)
        self.kept = [item["kept"] for item in data]
        self.counts = [item["counts"] for item in data]
        self.pooled = [item["pooled"] for item in data]
        self._index()
        return self


def _sound(item: Any, name: str) -> bool:
    if not isinstance(item, dict) or item.get("name") != name or not isinstance(item.get("pooled"), bool):
        return False
    kept, counts = item.get("kept"), item.get("counts")
    return (
        isinstance(kept, list)
        and isinstance(counts, list)
        and all(isinstance(value, str) for value in kept)
        and all(isinstance(count, int) and 0 <= count < 2**62 for count in counts)
        and len(set(kept)) == len(kept) == len(counts) <= KEPT_RAW
    )


class Category:
    """Columns of few distinct values that repeat."""

    def infer(self, column: pl.Series) -> tuple[float, str] | None:
        """Text whose values repeat."""
        import polars as pl

        if column.dtype in (pl.Categorical, pl.Enum):
            return 0.95, f"stored as {column.dtype}"
        if NAMED.search(column.name) and (column.dtype == pl.String or column.dtype.is_integer()):
            return 0.93, "named like a code, whose size means nothing"
        if column.dtype != pl.String:
            return (0.3, "nothing but missing values") if column.dtype == pl.Null else None
        present = as_text(column).drop_nulls()
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
        text = as_text(column)
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
        """Anything that has a text form; text is first brought to the type that training saw (``1.0`` is ``1``)."""
        import polars as pl

        if values.dtype.is_nested() or values.dtype == pl.Binary:
            raise refuse(values, field, "single values")
        text = as_text(values)
        if field.dtype == "Boolean":
            words = {**dict.fromkeys(TRUE, "true"), **dict.fromkeys(FALSE, "false")}
            return text.replace(words)
        if field.dtype in NUMERIC and values.dtype in (pl.String, pl.Object):
            numbers = text.cast(pl.Float64, strict=False)
            if numbers.null_count() == text.null_count():
                return as_text(numbers)
        return text

    def defaults(self, task: str) -> Sequence[str]:
        """Categories choose no model by themselves."""
        return ()


COMPONENT = Category
