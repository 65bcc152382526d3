"""Whether a folder holds a pickle, in whatever disguise."""

from __future__ import annotations

import bz2
import io
import lzma
import pickletools
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

SUFFIXES = (".pkl", ".pickle", ".joblib", ".pt", ".pth", ".dill", ".skops")
ACTIVE = {"GLOBAL", "STACK_GLOBAL", "REDUCE", "BUILD", "INST", "OBJ", "NEWOBJ", "NEWOBJ_EX", "EXT1", "EXT2", "EXT4"}
FRAMED = (b"\x80\x04\x95", b"\x80\x05\x95")
MAX_OPENED = 256 * 1024 * 1024
MAX_NESTED = 3


def find_pickles(folder: Path) -> list[str]:
    """Every place below ``folder`` where a pickle lies: by name, by content, inside zip files and compressed files.

    Arrays of objects (``.npy`` with the type ``O``) count, for reading them runs a pickle.

    Args:
        folder: searched with all that is below it.

    Returns:
        One line a find: the path, and what was found there; empty when there is none.
    """
    found: list[str] = []
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            name = str(path.relative_to(folder))
            found.extend(f"{name}{place}: {what}" for place, what in _inspect(name, path.read_bytes(), 0))
    return found


def _inspect(name: str, data: bytes, depth: int) -> Iterator[tuple[str, str]]:
    if name.lower().endswith(SUFFIXES):
        yield "", "a name that says it is a pickle"
    if data[:6] == b"\x93NUMPY":
        if b"'|O'" in data[:10_000] or b"'O'" in data[:10_000]:
            yield "", "an array of objects"
        return
    if is_pickle(data):
        yield "", "a pickle"
    elif _embedded(data):
        yield "", "a pickle inside"
    if depth < MAX_NESTED:
        for place, part in _parts(data):
            yield from ((f"{place}{deeper}", what) for deeper, what in _inspect(place, part, depth + 1))


def is_pickle(data: bytes) -> bool:
    """Whether these bytes are one whole pickle that a reader could be led to act on."""
    names = set()
    try:
        for opcode, _, position in pickletools.genops(data):
            names.add(opcode.name)
            if opcode.name == "STOP":
                whole = position is not None and position + 1 == len(data)
                return data[:1] == b"\x80" or bool(names & ACTIVE) or (whole and len(names) > 2)
    except Exception:  # whatever the reader of opcodes says, it is not a pickle
        return False
    return False


def _embedded(data: bytes) -> bool:
    for magic in FRAMED:
        start = data.find(magic, 1)
        while start >= 0:
            if is_pickle(data[start:]):
                return True
            start = data.find(magic, start + 1)
    return False


def _parts(data: bytes) -> Iterator[tuple[str, bytes]]:
    """What a zip file or a compressed file holds."""
    if data[:4] == b"PK\x03\x04":
        try:
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                for item in archive.infolist():
                    if item.file_size <= MAX_OPENED:
                        yield f"!{item.filename}", archive.read(item)
        except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError, RuntimeError):
            return
        return
    opened = _decompressed(data)
    if opened is not None:
        yield "!", opened


def _decompressed(data: bytes) -> bytes | None:
    try:
        if data[:2] == b"\x1f\x8b":
            return zlib.decompressobj(wbits=31).decompress(data, MAX_OPENED)
        if data[:1] == b"\x78" and data[1:2] in (b"\x01", b"\x5e", b"\x9c", b"\xda"):
            return zlib.decompressobj().decompress(data, MAX_OPENED)
        if data[:3] == b"BZh":
            return bz2.BZ2Decompressor().decompress(data, MAX_OPENED)
        if data[:6] == b"\xfd7zXZ\x00":
            return lzma.LZMADecompressor().decompress(data, MAX_OPENED)
    except (zlib.error, OSError, EOFError, lzma.LZMAError, ValueError):
        return None
    return None
