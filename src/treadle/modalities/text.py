"""Free text: many distinct values of several words."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from treadle.core.arrays import load_arrays, save_arrays
from treadle.core.errors import TreadleError
from treadle.core.files import write_json
from treadle.core.jsonable import read_json
from treadle.core.types import Block, Field, Needs, Profile
from treadle.modalities._values import as_text, clean, refuse

if TYPE_CHECKING:
    import polars as pl

    from treadle.core.types import Array

WORDS = 200
WORD = re.compile(r"\w+")
LENGTHS = (0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0, 4096.0)


class TextEncoder:
    """Text beside other columns: TF-IDF of the most frequent words (200 a column), and its length in words.

    A model that takes text raw gets it as an object array instead; a missing text is an empty one.
    """

    def __init__(self, *, columns: tuple[str, ...], raw: bool) -> None:
        self.columns = columns
        self.raw = raw

    def fit(self, frame: pl.DataFrame) -> Self:
        """Learn the words of each column and how rare they are."""
        import numpy as np

        self.words: list[list[str]] = []
        self.rarity: list[Array] = []
        for name in () if self.raw else self.columns:
            texts = _texts(frame[name])
            seen: Counter[str] = Counter()
            for text in texts:
                seen.update(set(WORD.findall(text.lower())))
            ranked = sorted(((-count, word) for word, count in seen.items() if count >= 2))[:WORDS]
            words = sorted(word for _, word in ranked)
            self.words.append(words)
            self.rarity.append(np.log((1 + len(texts)) / (1 + np.array([seen[word] for word in words]))) + 1)
        self._index()
        return self

    def _index(self) -> None:
        self.places = [{word: place for place, word in enumerate(words)} for words in self.words]

    def apply(self, frame: pl.DataFrame) -> Block:
        """The vectors of these rows."""
        import numpy as np

        if self.raw:
            values = np.empty((frame.height, len(self.columns)), dtype=object)
            for position, name in enumerate(self.columns):
                values[:, position] = _texts(frame[name])
            return Block(values, self.columns, self.columns, "text")
        names: list[str] = []
        columns: list[str] = []
        for name, words in zip(self.columns, self.words, strict=True):
            names.extend((f"{name} length", *(f"{name}: {word}" for word in words)))
            columns.extend([name] * (1 + len(words)))
        values = np.zeros((frame.height, len(names)), dtype=np.float32)
        start = 0
        for position, name in enumerate(self.columns):
            width = 1 + len(self.words[position])
            self._fill(values[:, start : start + width], _texts(frame[name]), position)
            start += width
        return Block(values, tuple(names), tuple(columns))

    def _fill(self, part: Array, texts: list[str], position: int) -> None:
        """Write length and word weights of one column into its part of the array, in place."""
        import numpy as np

        places = self.places[position]
        for row, text in enumerate(texts):
            if not text:
                continue
            part[row, 0] = len(text.split())
            for word in WORD.findall(text.lower()):
                place = places.get(word)
                if place is not None:
                    part[row, 1 + place] += 1.0
        part[:, 0] = np.log1p(part[:, 0])
        weights = part[:, 1:]
        weights *= self.rarity[position].astype(np.float32)
        norms = np.sqrt(np.einsum("ij,ij->i", weights, weights))
        weights /= np.where(norms == 0, 1, norms)[:, None]

    def save(self, folder: Path) -> None:
        """Write words (JSON) and their weights."""
        write_json(folder / "words.json", self.words)
        save_arrays(folder, {f"rarity_{i}": rarity for i, rarity in enumerate(self.rarity)})

    def load(self, folder: Path) -> Self:
        """Read and check them."""
        import numpy as np

        words: Any = read_json(folder / "words.json")
        count = 0 if self.raw else len(self.columns)
        good = isinstance(words, list) and len(words) == count
        good = good and all(isinstance(w, list) and all(isinstance(word, str) for word in w) for w in words)
        if not good:
            raise TreadleError("the words do not fit the columns", where=folder / "words.json")
        self.words = words
        self.rarity = load_arrays(folder, *(f"rarity_{i}" for i in range(count)))
        for w, r in zip(words, self.rarity, strict=True):
            if len(set(w)) != len(w) or r.shape != (len(w),) or r.dtype.kind != "f" or not np.isfinite(r).all():
                raise TreadleError("the words do not fit their weights", where=folder)
        self._index()
        return self


class Text:
    """Columns of sentences, names and remarks."""

    def infer(self, column: pl.Series) -> tuple[float, str] | None:
        """Text of several words that seldom repeats."""
        import polars as pl

        if column.dtype != pl.String:
            return None
        present = clean(column).drop_nulls()
        if not len(present):
            return None
        words = present.str.count_matches(r"\S+").mean()
        unique = present.n_unique() / len(present)
        if isinstance(words, float) and words >= 2.0 and unique > 0.2 and present.n_unique() > 20:
            return 0.9, f"{words:.1f} words a row, {unique:.0%} of the rows distinct"
        return None

    def encoder(self, fields: Sequence[Field], needs: Needs) -> TextEncoder:
        """One encoder for all text columns together."""
        return TextEncoder(columns=tuple(field.name for field in fields), raw="text" in needs.raw)

    def profile(self, column: pl.Series, like: Profile | None = None) -> Profile:
        """Counts of lengths in words."""
        import numpy as np

        text = as_text(column)
        lengths = text.drop_nulls().str.count_matches(r"\S+").to_numpy()
        edges = np.asarray(LENGTHS)
        counts = np.bincount(np.searchsorted(edges, lengths, side="left"), minlength=len(edges) + 1)
        mean = float(lengths.mean()) if len(lengths) else 0.0
        return Profile(
            name=column.name,
            kind="text",
            rows=len(column),
            missing=text.null_count(),
            edges=LENGTHS,
            counts=tuple(map(int, counts)),
            mean=mean,
            spread=float(((lengths - mean) ** 2).sum()),
        )

    def decode(self, values: pl.Series, field: Field) -> pl.Series:
        """Anything that has a text form."""
        import polars as pl

        if values.dtype.is_nested() or values.dtype == pl.Binary:
            raise refuse(values, field, "text")
        return as_text(values)

    def defaults(self, task: str) -> Sequence[str]:
        """A linear model is hard to beat on words."""
        return {"classification": ("linear",), "regression": ("linear",)}.get(task, ())


def _texts(column: pl.Series) -> list[str]:
    return ["" if text is None else text for text in as_text(column).to_list()]


COMPONENT = Text
