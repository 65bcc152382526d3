"""Free text: many distinct values of several words."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from treadle.core.arrays import load_arrays, save_arrays
from treadle.core.errors import TreadleError
from treadle.core.files import write_json
from treadle.core.jsonable import read_json
from treadle.core.types import Block, Field, Needs, Profile
from treadle.core.values import MISSING

if TYPE_CHECKING:
    import polars as pl

    from treadle.core.types import Array

WORDS = 200
LENGTHS = (0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0, 4096.0)


class TextEncoder:
    """Text beside other columns: TF-IDF of the most frequent words (200 a column), and its length in words.

    A model that takes text raw gets it as an object array instead.
    """

    def __init__(self, *, columns: tuple[str, ...], raw: bool) -> None:
        self.columns = columns
        self.raw = raw

    def fit(self, frame: pl.DataFrame) -> Self:
        """Learn the words of each column and how rare they are."""
        import numpy as np

        self.words: list[list[str]] = []
        self.rarity: list[Array] = []
        for name in self.columns:
            vectorizer = _vectorizer(None)
            texts = _texts(frame[name])
            try:
                counts = vectorizer.fit_transform(texts) > 0
                words = vectorizer.get_feature_names_out().tolist()
                seen = np.asarray(counts.sum(axis=0)).ravel()
            except ValueError:
                words, seen = [], np.zeros(0)
            self.words.append(words)
            self.rarity.append(np.log((1 + len(texts)) / (1 + seen)) + 1)
        return self

    def apply(self, frame: pl.DataFrame) -> Block:
        """The vectors of these rows."""
        import numpy as np

        if self.raw:
            values = np.empty((frame.height, len(self.columns)), dtype=object)
            for position, name in enumerate(self.columns):
                values[:, position] = _texts(frame[name])
            return Block(values, self.columns, self.columns, "text")
        parts, names, columns = [], [], []
        for name, words, rarity in zip(self.columns, self.words, self.rarity, strict=True):
            texts = _texts(frame[name])
            lengths = np.array([[len(text.split())] for text in texts], dtype=np.float32).reshape(-1, 1)
            parts.append(np.log1p(lengths))
            names.append(f"{name} length")
            if words:
                counts = _vectorizer(words).transform(texts).toarray() * rarity
                norms = np.linalg.norm(counts, axis=1, keepdims=True)
                parts.append((counts / np.where(norms == 0, 1, norms)).astype(np.float32))
                names.extend(f"{name}: {word}" for word in words)
            columns.extend([name] * (1 + len(words)))
        values = np.concatenate(parts, axis=1) if parts else np.zeros((frame.height, 0), dtype=np.float32)
        return Block(values, tuple(names), tuple(columns))

    def save(self, folder: Path) -> None:
        """Write words (JSON) and their weights."""
        write_json(folder / "words.json", self.words)
        save_arrays(folder, {f"rarity_{i}": rarity for i, rarity in enumerate(self.rarity)})

    def load(self, folder: Path) -> Self:
        """Read and check them."""
        words: Any = read_json(folder / "words.json")
        self.rarity = load_arrays(folder, *(f"rarity_{i}" for i in range(len(self.columns))))
        good = isinstance(words, list) and len(words) == len(self.columns)
        if not good or any(
            len(set(w)) != len(w) or r.shape != (len(w),) for w, r in zip(words, self.rarity, strict=True)
        ):
            raise TreadleError("the words do not fit the columns", where=folder)
        self.words = words
        return self


class Text:
    """Columns of sentences, names and remarks."""

    def infer(self, column: pl.Series) -> tuple[float, str] | None:
        """Text of several words that seldom repeats."""
        import polars as pl

        if column.dtype != pl.String:
            return None
        present = column.drop_nulls()
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
        import polars as pl

        text = column.cast(pl.String, strict=False)
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

        if values.dtype.is_nested():
            raise TreadleError(f"holds {values.dtype}", where=f"column {field.name!r}", expected="text")
        return values.cast(pl.String, strict=False)

    def defaults(self, task: str) -> Sequence[str]:
        """A linear model is hard to beat on words."""
        return {"classification": ("linear",), "regression": ("linear",)}.get(task, ())


def _texts(column: pl.Series) -> list[str]:
    import polars as pl

    text = column.cast(pl.String, strict=False).str.strip_chars()
    return text.set(text.is_in(MISSING), "").fill_null("").to_list()


def _vectorizer(words: list[str] | None) -> Any:
    from sklearn.feature_extraction.text import CountVectorizer

    options: dict[str, Any] = {"vocabulary": words} if words is not None else {"max_features": WORDS, "min_df": 2}
    return CountVectorizer(lowercase=True, token_pattern=r"(?u)\b\w+\b", **options)


COMPONENT = Text
