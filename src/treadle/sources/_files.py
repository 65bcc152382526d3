"""Local files as sources see them: there or not, packed or not, whole or cut off."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from treadle.core.errors import TreadleError
from treadle.core.files import disk_error, hash_file

if TYPE_CHECKING:
    import polars as pl

HEAD = 2 * 1024 * 1024
PACKED = (".gz", ".bz2", ".xz", ".zst", ".lz4", ".zip")
MAGIC = ((b"\x1f\x8b", "gzip"), (b"BZh", "bz2"), (b"\xfd7zXZ\x00", "xz"), (b"\x28\xb5\x2f\xfd", "zstd"),
         (b"\x04\x22\x4d\x18", "lz4"), (b"PK\x03\x04", "zip"))  # fmt: skip


def ends_with(url: str, endings: tuple[str, ...]) -> bool:
    """Whether a local path has one of the endings, packed or not."""
    if "://" in url:
        return False
    name = url.lower()
    for packed in PACKED:
        name = name.removesuffix(packed)
    return name.endswith(endings)


def local_file(url: str) -> Path:
    """The path, when a file that can be read and that holds something is there."""
    path = Path(url)
    try:
        if path.is_dir():
            raise TreadleError("this is a folder, not a file", where=path, remedy="name a file")
        if path.stat().st_size == 0:
            raise TreadleError("the file is empty", where=path.name, expected="a table with at least one row")
        with path.open("rb") as handle:
            handle.read(1)
    except OSError as error:
        raise disk_error(error, path) from None
    return path


class LocalFile:
    """What all sources of one local file share."""

    url: str

    def files(self) -> dict[str, Path]:
        """The one file."""
        path = local_file(self.url)
        return {path.name: path}

    def fingerprint(self) -> str:
        """The hash of the bytes."""
        return hash_file(local_file(self.url))


def packing(path: Path) -> str | None:
    """How the file is compressed, by its first bytes (its name may say otherwise)."""
    with path.open("rb") as handle:
        start = handle.read(8)
    return next((name for magic, name in MAGIC if start.startswith(magic)), None)


@contextlib.contextmanager
def opened(path: Path) -> Iterator[IO[bytes] | Any]:
    """The file's bytes, decompressed, one after the other; what is cut off or damaged raises the one clear error."""
    packed = packing(path)
    with reading(path):
        if packed == "zip":
            import zipfile

            with zipfile.ZipFile(path) as archive:
                members = [item for item in archive.infolist() if not item.is_dir()]
                if len(members) != 1:
                    raise TreadleError(f"the archive holds {len(members)} files", where=path.name,
                                       expected="exactly one file in it", remedy="unpack it into a folder")  # fmt: skip
                with archive.open(members[0]) as stream:
                    yield stream
        elif packed == "xz":
            import lzma

            with lzma.open(path) as stream:
                yield stream
        elif packed:
            import pyarrow as pa

            with pa.input_stream(str(path), compression=packed) as stream:
                yield stream
        else:
            with path.open("rb") as stream:
                yield stream


@contextlib.contextmanager
def reading(path: Path) -> Iterator[None]:
    """Tell what goes wrong while a file is read, as the one clear error."""
    try:
        yield
    except TreadleError:
        raise
    except OSError as error:
        if error.errno:
            raise disk_error(error, path) from None
        raise _damaged(path, error) from None
    except EOFError as error:
        raise _damaged(path, error) from None
    except Exception as error:
        if type(error).__name__ in ("LZMAError", "BadZipFile", "error"):
            raise _damaged(path, error) from None
        raise


def _damaged(path: Path, error: Exception) -> TreadleError:
    cut = isinstance(error, EOFError) or "runcated" in str(error) or "end-of-stream" in str(error)
    problem = "the compressed file ends before its data does" if cut else f"the compressed file is damaged ({error})"
    return TreadleError(problem, where=path.name, remedy="copy or download it again, or unpack it by hand to see")


def head_of(path: Path, size: int = HEAD) -> tuple[bytes, bool]:
    """The first bytes of the (unpacked) file, and whether that is all of it."""
    parts: list[bytes] = []
    left = size + 1
    with opened(path) as stream:
        while left > 0 and (part := stream.read(min(left, 1 << 18))):
            parts.append(bytes(part))
            left -= len(part)
    head = b"".join(parts)
    return head[:size], len(head) <= size


def lazily(schema: dict[str, Any], batches: Any) -> pl.LazyFrame:
    """A lazy frame over ``batches(columns)``, a function that starts a new pass and yields frames.

    Args:
        schema: names and types.
        batches: takes the names that are wanted (None for all), yields frames with at least these.
    """
    from polars.io.plugins import register_io_source

    def stream(
        columns: list[str] | None, predicate: pl.Expr | None, rows: int | None, size: int | None
    ) -> Iterator[pl.DataFrame]:
        left = rows
        for frame in batches(columns):
            part = frame if columns is None else frame.select(columns)
            if left is not None:
                part = part.head(left)
                left -= part.height
            yield part if predicate is None else part.filter(predicate)
            if left == 0:
                return

    return register_io_source(stream, schema=schema)
