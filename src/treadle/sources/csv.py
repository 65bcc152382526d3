"""Separated text: ``.csv``, ``.tsv``, ``.txt``, plain or gzipped."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from treadle.core.errors import TreadleError
from treadle.core.files import disk_error, hash_file
from treadle.core.options import Doc
from treadle.core.values import MISSING

if TYPE_CHECKING:
    import polars as pl

ENDINGS = (".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz", ".txt.gz")
HEAD = 64 * 1024


class Csv:
    """Separated text files; the separator is inferred from the head of the file."""

    def __init__(
        self,
        *,
        url: str,
        separator: Annotated[str | None, Doc("one character between two values; inferred when not given")] = None,
        header: Annotated[bool, Doc("whether the first line names the columns")] = True,
    ) -> None:
        self.url = url
        self.separator = separator
        self.header = header

    @classmethod
    def matches(cls, url: str) -> bool:
        """By the file's ending."""
        return "://" not in url and url.lower().endswith(ENDINGS)

    def scan(self) -> pl.LazyFrame:
        """The rows, read lazily."""
        import polars as pl

        path = Path(self.url)
        head = self._head(path)
        if not head.strip():
            raise TreadleError("the file is empty", where=path.name, expected="a header line and at least one row")
        separator = self.separator or _separator(head)
        names = next(csv.reader([head.splitlines()[0]], delimiter=separator))
        double = sorted({name for name in names if names.count(name) > 1})
        if self.header and double:
            raise TreadleError(f"the header names {double[0]!r} twice", where=f"{path.name}:1", remedy="rename one")
        frame = pl.scan_csv(
            path, separator=separator, has_header=self.header, null_values=list(MISSING), infer_schema_length=10_000
        )
        text = [name for name, dtype in frame.collect_schema().items() if dtype == pl.String]
        return frame.with_columns(pl.col(text).str.strip_chars().replace(list(MISSING), None)) if text else frame

    def fingerprint(self) -> str:
        """The hash of the bytes."""
        try:
            return hash_file(Path(self.url))
        except OSError as error:
            raise disk_error(error, self.url) from None

    def _head(self, path: Path) -> str:
        try:
            with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as handle:
                return handle.read(HEAD).decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise TreadleError(f"not UTF-8 text ({error})", where=path.name) from None
        except OSError as error:
            raise disk_error(error, path) from None


def _separator(head: str) -> str:
    lines = head.splitlines()[:20]
    counts = {mark: [line.count(mark) for line in lines if line] for mark in (",", ";", "\t", "|")}
    steady = {mark: c[0] for mark, c in counts.items() if c and c[0] > 0 and len(set(c[:-1] or c)) == 1}
    pool = steady or {mark: c[0] for mark, c in counts.items() if c}
    return max(pool, key=lambda mark: pool[mark], default=",")


COMPONENT = Csv
