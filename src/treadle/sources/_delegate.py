"""Sources that bring a file here and leave its reading to the source that knows its format."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from treadle.core import registry
from treadle.core.errors import TreadleError
from treadle.core.files import hash_content, hash_file
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


def joined(sources: list[Any], names: list[str]) -> pl.LazyFrame:
    """The rows of all of them, one after the other; their columns must be the same (in any order)."""
    import polars as pl

    frames: list[pl.LazyFrame] = []
    columns: list[str] = []
    for source, name in zip(sources, names, strict=True):
        frame = source.scan()
        found = frame.collect_schema().names()
        columns = columns or found
        absent = [column for column in columns if column not in found]
        extra = [column for column in found if column not in columns]
        if absent or extra:
            said = [f"{column!r} is missing" for column in absent[:3]] + [f"{column!r} is new" for column in extra[:3]]
            raise TreadleError(
                f"its columns are not those of {names[0]}: {', '.join(said)}", where=name,
                expected="the same columns in all files", remedy="mend it, or name only the files that belong together",
            )  # fmt: skip
        frames.append(frame.select(columns))
    return frames[0] if len(frames) == 1 else pl.concat(frames, how="vertical_relaxed")


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
        found = self.sources()
        return joined([source for _, source in found], [name for name, _ in found])

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
