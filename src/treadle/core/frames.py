"""Frames from several places as one, and a hash of rows that does not depend on how they are stored."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from treadle.core.errors import TreadleError
from treadle.core.files import hash_value

if TYPE_CHECKING:
    import polars as pl


def joined(frames: Sequence[tuple[str, pl.LazyFrame]]) -> pl.LazyFrame:
    """The rows of all frames, one after the other.

    Args:
        frames: each with a name for messages; all must have the same columns, in any order. Numbers of different
            types become the wider one.
    """
    import polars as pl

    columns: list[str] = []
    found: list[pl.LazyFrame] = []
    for name, frame in frames:
        here = frame.collect_schema().names()
        columns = columns or here
        absent = [f"{column!r} is missing" for column in columns if column not in here]
        extra = [f"{column!r} is new" for column in here if column not in columns]
        if absent or extra:
            raise TreadleError(
                f"its columns are not those of {frames[0][0]}: {', '.join([*absent[:3], *extra[:3]])}", where=name,
                expected="the same columns in all files", remedy="mend it, or name only the files that belong together",
            )  # fmt: skip
        found.append(frame.select(columns))
    return found[0] if len(found) == 1 else pl.concat(found, how="vertical_relaxed")


class RowHash:
    """SHA-256 over the values of rows in their order: the same however they are cut into batches, on every machine."""

    def __init__(self) -> None:
        self._columns: dict[str, tuple[str, Any, Any]] = {}

    def update(self, frame: pl.DataFrame) -> None:
        """Take in more rows; all frames have the same columns and types."""
        import polars as pl

        for column in frame:
            form = _form(column.dtype)
            _, gaps, values = self._columns.setdefault(column.name, (form, hashlib.sha256(), hashlib.sha256()))
            if form == "text":
                text = _as_text(column)
                # The length of a value is -1 where it is missing; lengths and letters each have their own hash, so
                # that it does not matter where a batch ends.
                lengths = text.str.len_bytes().cast(pl.Int64).fill_null(-1)
                gaps.update(lengths.to_numpy().astype("<i8").tobytes())
                values.update((text.fill_null("").str.join("").item() or "").encode())
                continue
            gaps.update(column.is_null().cast(pl.UInt8).to_numpy().tobytes())
            if form == "float":
                values.update(column.cast(pl.Float64).fill_null(0.0).to_numpy().astype("<f8").tobytes())
            else:
                moment = column.cast(pl.Datetime("us")) if column.dtype.is_temporal() else column
                values.update(moment.cast(pl.Int64).fill_null(0).to_numpy().astype("<i8").tobytes())

    def hexdigest(self) -> str:
        """The hash of names, types and values."""
        return hash_value([[name, form, gaps.hexdigest(), values.hexdigest()]
                           for name, (form, gaps, values) in self._columns.items()])  # fmt: skip


def _form(dtype: Any) -> str:
    import polars as pl

    if dtype.is_float():
        return "float"
    if dtype in (pl.Date, pl.Datetime):
        return "moment"
    if dtype == pl.Boolean or (dtype.is_integer() and dtype not in (pl.UInt64, pl.Int128)):
        return "whole"
    return "text"


def _as_text(column: pl.Series) -> pl.Series:
    import polars as pl

    if column.dtype == pl.String:
        return column
    if column.dtype == pl.Binary:
        return column.bin.encode("hex")
    if column.dtype.is_nested():
        return pl.Series(column.name, [json.dumps(value, default=str) for value in column.to_list()], dtype=pl.String)
    return column.cast(pl.String)
