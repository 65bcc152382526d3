"""One column of zeros and ones a category."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Self

from treadle.core.errors import TreadleError
from treadle.core.files import write_json
from treadle.core.jsonable import read_json
from treadle.core.options import Doc, Range
from treadle.core.types import Block
from treadle.transforms._columns import counted, fitting, texts, words

if TYPE_CHECKING:
    import polars as pl


class OneHot:
    """The last step of a column: 1.0 in the column of its category, float32; all 0.0 where it is missing.

    Only the ``top`` most frequent categories get a column; the rest, and those never seen, share one.
    """

    kinds: ClassVar[frozenset[str]] = frozenset({"category"})
    encodes: ClassVar[bool] = True

    def __init__(self, *, top: Annotated[int, Range(1, 100_000), Doc("categories with a column")] = 100) -> None:
        self.top = top

    @classmethod
    def example(cls) -> Self:
        """Two columns and the rest."""
        return cls(top=2)

    def fit(self, frame: pl.DataFrame) -> Self:
        """Learn the categories."""
        self.kept = {name: [value for value, _ in counted(frame[name])[: self.top]] for name in frame.columns}
        return self

    def apply(self, frame: pl.DataFrame) -> Block:
        """Zeros and ones."""
        import numpy as np
        import polars as pl

        fitting(self.kept, frame)
        labels = {name: [*(f"{name}={value}" for value in kept), f"{name}=(other)"] for name, kept in self.kept.items()}
        names = tuple(label for every in labels.values() for label in every)
        columns = tuple(name for name, every in labels.items() for _ in every)
        values = np.zeros((frame.height, len(names)), dtype=np.float32, order="F")
        start = 0
        for name, kept in self.kept.items():
            text = words(frame[name])
            places = text.replace_strict(
                {value: place for place, value in enumerate(kept)} or {"": 0},
                default=len(kept), return_dtype=pl.Int64,
            )  # fmt: skip
            rows = text.is_not_null().arg_true().to_numpy()
            values[rows, start + places.to_numpy()[rows].astype(np.int64)] = 1.0
            start += len(labels[name])
        return Block(values, names, columns)

    def save(self, folder: Path) -> None:
        """Write the categories as JSON."""
        write_json(folder / "categories.json", self.kept)

    def load(self, folder: Path) -> Self:
        """Read and check them."""
        path = folder / "categories.json"
        kept = read_json(path)
        if not isinstance(kept, dict) or not all(texts(values) for values in kept.values()):
            raise TreadleError("the categories cannot be read", where=path)
        self.kept = kept
        return self


COMPONENT = OneHot
