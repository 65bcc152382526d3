"""Words and their neighbours, as the text encoders count them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from treadle.transforms._columns import words

if TYPE_CHECKING:
    import polars as pl

WORD = re.compile(r"\w+")


def tokens(column: pl.Series, ngrams: int) -> list[list[str]]:
    """For each row its words in small letters, then its runs of two up to ``ngrams`` words; none where missing."""
    found = []
    for text in words(column).to_list():
        single = WORD.findall(text.lower()) if text else []
        every = list(single)
        for length in range(2, ngrams + 1):
            every.extend(" ".join(single[start : start + length]) for start in range(len(single) - length + 1))
        found.append(every)
    return found
