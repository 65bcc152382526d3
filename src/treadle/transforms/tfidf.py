"""Text as weights of its words."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Self

from treadle.core.arrays import load_arrays, save_arrays
from treadle.core.errors import TreadleError
from treadle.core.files import write_json
from treadle.core.jsonable import read_json
from treadle.core.options import Doc, Range
from treadle.core.types import Block
from treadle.transforms._columns import fitting, texts
from treadle.transforms._tokens import tokens

if TYPE_CHECKING:
    import polars as pl

    from treadle.core.types import Array


class Tfidf:
    """The last step of a text column: the weights of its most frequent words, float32, each row of length 1.

    A word weighs 1 + log(its count in the row), times log((1 + rows) / (1 + rows that have it)) + 1 (Salton and
    Buckley 1988, in the smoothed form that is usual today).
    """

    kinds: ClassVar[frozenset[str]] = frozenset({"category", "text"})
    encodes: ClassVar[bool] = True

    def __init__(
        self,
        *,
        ngrams: Annotated[int, Range(1, 5), Doc("longest run of words that counts as one")] = 1,
        top: Annotated[int, Range(1, 100_000), Doc("how many words are kept, the most frequent")] = 1000,
        least: Annotated[int, Range(1, 1_000_000), Doc("rows that must have a word")] = 2,
        most: Annotated[float, Range(0.0, 1.0), Doc("largest share of the rows that may have it")] = 1.0,
    ) -> None:
        self.ngrams = ngrams
        self.top = top
        self.least = least
        self.most = most

    @classmethod
    def example(cls) -> Self:
        """Few words, pairs included."""
        return cls(ngrams=2, top=20, least=1)

    def fit(self, frame: pl.DataFrame) -> Self:
        """Learn the words and how rare they are."""
        import numpy as np

        self.words: dict[str, list[str]] = {}
        rarity: list[Array] = []
        for name in frame.columns:
            seen: Counter[str] = Counter()
            for row in tokens(frame[name], self.ngrams):
                seen.update(set(row))
            most = self.most * frame.height
            ranked = sorted((-count, word) for word, count in seen.items() if self.least <= count <= most)
            kept = sorted(word for _, word in ranked[: self.top])
            self.words[name] = kept
            rarity.append(np.log((1 + frame.height) / (1 + np.array([seen[word] for word in kept]))) + 1)
        self.rarity: Array = np.concatenate(rarity).astype(np.float32) if rarity else np.zeros(0, dtype=np.float32)
        return self

    def apply(self, frame: pl.DataFrame) -> Block:
        """The weights of these rows."""
        import numpy as np

        fitting(self.words, frame)
        names = tuple(f"{name}: {word}" for name, kept in self.words.items() for word in kept)
        columns = tuple(name for name, kept in self.words.items() for _ in kept)
        values = np.zeros((frame.height, len(names)), dtype=np.float32)
        start = 0
        for name, kept in self.words.items():
            part = values[:, start : start + len(kept)]
            places = {word: place for place, word in enumerate(kept)}
            for row, found in enumerate(tokens(frame[name], self.ngrams)):
                for word in found:
                    place = places.get(word)
                    if place is not None:
                        part[row, place] += 1.0
            counted = part > 0
            part[counted] = 1.0 + np.log(part[counted])
            part *= self.rarity[start : start + len(kept)]
            norms = np.sqrt(np.einsum("ij,ij->i", part, part))
            part /= np.where(norms == 0, 1, norms)[:, None]
            start += len(kept)
        return Block(values, names, columns)

    def save(self, folder: Path) -> None:
        """Write the words (JSON) and their weights."""
        write_json(folder / "words.json", self.words)
        save_arrays(folder, {"rarity": self.rarity})

    def load(self, folder: Path) -> Self:
        """Read and check them."""
        import numpy as np

        found = read_json(folder / "words.json")
        if not isinstance(found, dict) or not all(texts(kept) for kept in found.values()):
            raise TreadleError("the words cannot be read", where=folder / "words.json")
        (rarity,) = load_arrays(folder, "rarity")
        if rarity.shape != (sum(map(len, found.values())),) or rarity.dtype != np.float32:
            raise TreadleError("the words do not fit their weights", where=folder)
        if not np.isfinite(rarity).all():
            raise TreadleError("a weight is not finite", where=folder / "rarity.npy")
        self.words, self.rarity = found, rarity
        return self


COMPONENT = Tfidf
