"""Parquet files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from treadle.core.errors import TreadleError
from treadle.core.types import SourceTags
from treadle.sources._files import LocalFile, local_file

if TYPE_CHECKING:
    import polars as pl

ENDINGS = (".parquet", ".pq", ".parq")


class Parquet(LocalFile):
    """A Parquet file; only the columns and row groups that are asked for are read."""

    tags = SourceTags(columnar=True, whole=True)

    def __init__(self, *, url: str) -> None:
        self.url = url

    @classmethod
    def matches(cls, url: str) -> bool:
        """By the file's ending."""
        return "://" not in url and url.lower().endswith(ENDINGS)

    @classmethod
    def example(cls, folder: Path) -> Parquet:
        """A small file."""
        import polars as pl

        path = folder / "people.parquet"
        pl.DataFrame({"name": ["Ada", "Bo", "Cy"], "age": [36, None, 54]}).write_parquet(path)
        return cls(url=str(path))

    def scan(self) -> pl.LazyFrame:
        """The rows, lazily."""
        import polars as pl

        path = local_file(self.url)
        with path.open("rb") as handle:
            handle.seek(-min(4, path.stat().st_size), 2)
            ended = handle.read(4) in (b"PAR1", b"PARE")
        if not ended:
            raise TreadleError(
                "the file ends before its index does", where=path.name, expected="a whole Parquet file",
                remedy="copy or write it again",
            )  # fmt: skip
        frame = pl.scan_parquet(path, glob=False)
        try:
            frame.collect_schema()
        except (pl.exceptions.PolarsError, OSError) as error:
            raise TreadleError(
                f"cannot be read as Parquet ({str(error).splitlines()[0][:200]})", where=path.name,
                expected="a whole Parquet file", remedy="copy or write it again",
            ) from None  # fmt: skip
        return frame


COMPONENT = Parquet
