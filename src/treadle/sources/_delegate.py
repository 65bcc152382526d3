"""Sources that bring a file here and leave its reading to the source that knows its format."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from treadle.core import registry
from treadle.core.files import hash_content, hash_file
from treadle.core.frames import joined
from treadle.core.types import Inference

if TYPE_CHECKING:
    import polars as pl

FORMATS = ("csv", "parquet", "jsonl")
ENDINGS = (".csv", ".tsv", ".txt", ".parquet", ".pq", ".jsonl", ".ndjson", ".json")


def file_source(path: Path, options: Mapping[str, Any] | None = None) -> Any:
    """The source that reads this one file, with its options checked; None when there is none."""
    for name in FORMATS:
        component = registry.load("sources", name)
        if component.matches(str(path)):
            given = {"url": str(path), **(options or {})}
            return component(**registry.check_options(component, given, name=name, where="data.options.reading"))
    return None


def is_table(path: Path) -> bool:
    """Whether some source reads a file of this name."""
    return any(registry.load("sources", name).matches(str(path)) for name in FORMATS)


class Delegating:
    """What sources share that end in local files: subclasses say how to get them in `sources`."""

    def sources(self) -> list[tuple[str, Any]]:
        """Each file's name (the same on every machine) and its source."""
        raise NotImplementedError

    def files(self) -> dict[str, Path]:
        """All local files by name."""
        return {name: path for name, source in self.sources() for path in source.files().values()}

    def scan(self) -> pl.LazyFrame:
        """The rows of all files."""
        return joined([(name, source.scan()) for name, source in self.sources()])

    def fingerprint(self) -> str:
        """The hash of names and bytes; of the bytes alone when there is one file."""
        return hash_content({name: hash_file(path) for name, path in self.files().items()})

    def place(self, row: int) -> str:
        """File and line of a row."""
        import polars as pl

        for name, source in self.sources():
            rows = int(source.scan().select(pl.len()).collect().item())
            if row < rows:
                return str(source.place(row)) if hasattr(source, "place") else f"{name}, row {row + 1}"
            row -= rows
        return ""

    def inferred(self) -> list[Inference]:
        """What was settled about the first file."""
        first = self.sources()[0][1]
        return list(first.inferred()) if hasattr(first, "inferred") else []
