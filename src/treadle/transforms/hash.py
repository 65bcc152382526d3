"""Words or categories thrown into a fixed number of columns."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Self
from zlib import crc32

from treadle.core.errors import TreadleError
from treadle.core.files import write_json
from treadle.core.jsonable import read_json
from treadle.core.options import Doc, Range
from treadle.core.types import Block
from treadle.transforms._columns import fitting, texts, words
from treadle.transforms._tokens import tokens

if TYPE_CHECKING:
    import polars as pl


class Hash:
    """The last step of a column: the hashing trick (Weinberger et al. 2009), float32, each row of length 1.

    Each word (or the whole value) adds 1 or -1 to the column that its checksum names. Nothing is learned, so a value
    never seen is as good as any other; different ones may share a column.
    """

    kinds: ClassVar[frozenset[str]] = frozenset({"category", "text"})
    encodes: ClassVar[bool] = True

    def __init__(
        self,
        *,
        width: Annotated[int, Range(1, 100_000), Doc("how many columns")] = 64,
        split: Annotated[bool, Doc("hash each word; else the value as a whole")] = True,
    ) -> None:
        self.width = width
        self.split = split

    @classmethod
    def example(cls) -> Self:
        """Few columns."""
        return cls(width=8)

    def fit(self, frame: pl.DataFrame) -> Self:
        """Only the names of the columns are kept."""
        self.columns = list(frame.columns)
        return self

    def apply(self, frame: pl.DataFrame) -> Block:
        """The sums of these rows."""
        import numpy as np

        fitting(dict.fromkeys(self.columns), frame)
        values = np.zeros((frame.height, len(self.columns) * self.width), dtype=np.float32)
        for position, name in enumerate(self.columns):
            part = values[:, position * self.width : (position + 1) * self.width]
            rows = (
                tokens(frame[name], 1)
                if self.split
                else [[] if value is None else [value] for value in words(frame[name]).to_list()]
            )
            for row, found in enumerate(rows):
                for word in found:
                    code = crc32(word.encode("utf-8", "surrogatepass"))
                    part[row, (code >> 1) % self.width] += 1.0 if code & 1 else -1.0
            norms = np.sqrt(np.einsum("ij,ij->i", part, part))
            part /= np.where(norms == 0, 1, norms)[:, None]
        names = tuple(f"{name} hash {place}" for name in self.columns for place in range(self.width))
        columns = tuple(name for name in self.columns for _ in range(self.width))
        return Block(values, names, columns)

    def save(self, folder: Path) -> None:
        """Write the names."""
        write_json(folder / "columns.json", self.columns)

    def load(self, folder: Path) -> Self:
        """Read and check them."""
        found = read_json(folder / "columns.json")
        if not texts(found):
            raise TreadleError("the names of the columns cannot be read", where=folder / "columns.json")
        self.columns = found
        return self


COMPONENT = Hash
