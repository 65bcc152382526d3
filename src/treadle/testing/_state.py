"""What a component leaves on disk, put to the test: no pickle, and no damage that is not told."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

from treadle.core.errors import TreadleError
from treadle.testing.files import find_pickles

HOSTILE = (b"", b"null", b"[]", b"{}", b"[[[[", b'{"a": 1}', b'"x"', b"[1, 2, 3]", b"\x80\x04K\x01.", b"\x93NUMPY\xff",
           b"[{}]", b"[null]", b'{"a": [null]}', b"[[[[[[1]]]]]]")  # fmt: skip


def hold(fact: Any, promise: str) -> None:
    """Raise an `AssertionError` that names the promise when it is broken, under ``python -O`` too."""
    if not fact:
        raise AssertionError(promise)


def no_pickle(folder: Path) -> None:
    """Assert that no file below ``folder`` is a pickle or an array of objects."""
    found = find_pickles(folder)
    hold(not found, f"a pickle: {found}")


def refuses_damage(folder: Path, use: Callable[[Path], Any], *, seed: int = 0) -> None:
    """Assert that damaged files are refused by a `TreadleError`, and that nothing else is ever raised.

    Files that are cut short or missing must be refused. What holds something else, or has a flipped byte, may by chance
    be sound (the checksums of a bundle catch that), but nothing else may be raised.

    Args:
        folder: what a component has saved; left as it was.
        use: loads from a folder, and uses what it has loaded.
        seed: for the choice of the bytes.
    """
    generator = random.Random(seed)  # noqa: S311 (no secret depends on it)
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        whole = path.read_bytes()
        spoilt: list[tuple[bytes | None, bool]] = [(None, True), (whole[: len(whole) // 2], len(whole) > 8)]
        spoilt += [(content, False) for content in HOSTILE]
        for _ in range(8):
            flipped = bytearray(whole)
            flipped[generator.randrange(len(whole))] ^= 1 << generator.randrange(8)
            spoilt.append((bytes(flipped), False))
        for content, must in spoilt:
            if content is None:
                path.unlink()
            else:
                path.write_bytes(content)
            what = f"{path.name}, {'missing' if content is None else f'spoilt as {content[:24]!r}'}"
            _refused(folder, use, what, must=must)
        path.write_bytes(whole)


def _refused(folder: Path, use: Callable[[Path], Any], what: str, *, must: bool) -> None:
    try:
        use(folder)
    except TreadleError:
        return
    except Exception as error:
        raise AssertionError(f"{what}: raised {type(error).__name__}: {error}, expected a TreadleError") from error
    hold(not must, f"{what}: was accepted")
