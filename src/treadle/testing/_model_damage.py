"""Damaged and hostile model files, read in a process of their own: nothing there may crash it or run code."""

from __future__ import annotations

import importlib
import io
import json
import os
import pickle
import random
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from treadle.core.errors import TreadleError
from treadle.testing._model_data import answers, case_of, example_table

if TYPE_CHECKING:
    from treadle.core.types import Array, Features

HEADER = 160
MOST = 250
REFUSALS = (TreadleError, KeyError, TypeError, ValueError, IndexError, AttributeError, OSError)
JSONS = ("[]", "null", "{}", "[" * 5000, '{"classes": 1e999}', '{"classes": -1}', "\x00")


class Marker:
    """A pickle of this object writes a file when it is read."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return (os.mkdir, (self.path,))


def damages(folder: Path, flips: int, seed: int, marker: str) -> list[tuple[str, Path, bytes | None]]:
    """What to do to which file: a line about it, the file, and its new content (None: it is gone). In random order."""
    chance = random.Random(seed)  # noqa: S311 - nothing secret
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    found: list[tuple[str, Path, bytes | None]] = []
    for path in files:
        found.extend((f"{what} in {path.name}", path, data) for what, data in _hostile(path, marker))
    found = chance.sample(found, min(len(found), MOST))
    for number in range(flips):
        path = files[number % len(files)]
        data = bytearray(path.read_bytes())
        if data:
            most = min(HEADER, len(data)) if chance.random() < 0.5 else len(data)
            position, bit = chance.randrange(most), 1 << chance.randrange(8)
            data[position] ^= bit
            found.append((f"bit {bit} of byte {position} flipped in {path.name}", path, bytes(data)))
    return chance.sample(found, len(found))


def _hostile(path: Path, marker: str) -> Iterator[tuple[str, bytes | None]]:
    data = path.read_bytes()
    yield "no file", None
    yield "nothing", b""
    yield "half", data[: len(data) // 2]
    yield "a pickle", pickle.dumps(Marker(marker))
    if path.suffix == ".json":
        yield from ((f"{text[:12]!r}", text.encode()) for text in JSONS)
        yield from _json_numbers(data)
    if path.suffix == ".npy":
        yield from _arrays(data, marker)


def _json_numbers(data: bytes) -> Iterator[tuple[str, bytes]]:
    """The file with one fact of the top level changed."""
    try:
        facts = json.loads(data)
    except ValueError:
        return
    if isinstance(facts, dict) and len(data) < 100_000:
        for name in list(facts)[:12]:
            for value in (-1, 10**9, "x", None, [1, "x"]):
                yield f"{name} = {value!r}", json.dumps({**facts, name: value}).encode()


def _arrays(data: bytes, marker: str) -> Iterator[tuple[str, bytes]]:
    import numpy as np

    array = np.load(io.BytesIO(data), allow_pickle=False)
    yield "objects", _npy(np.array([Marker(marker)], dtype=object))
    yield "another type", _npy(array.astype(np.int8 if array.dtype.kind == "f" else np.float32))
    yield "one more axis", _npy(array[None])
    yield "twice the rows", _npy(np.concatenate([array, array]) if array.ndim else array)
    yield "a shape that is too large", data.replace(b"'shape': (", b"'shape': (9999999999, ", 1)
    yield "a shape below zero", data.replace(b"'shape': (", b"'shape': (-", 1)
    extremes: tuple[Any, ...] = ()
    if array.dtype.kind == "f":
        extremes = (np.nan, np.inf, -1e308)
    elif array.dtype.kind in "iu":
        extremes = (np.iinfo(array.dtype).max, np.iinfo(array.dtype).min, 0, 1)
    for value in extremes:
        yield f"all {value}", _npy(np.full_like(array, value))
        if array.size > 1:
            changed = array.copy()
            changed.reshape(-1)[array.size // 2] = value
            yield f"one {value}", _npy(changed)


def _npy(array: Array) -> bytes:
    import numpy as np

    handle = io.BytesIO()
    np.save(handle, array, allow_pickle=array.dtype.hasobject)
    return handle.getvalue()


def main(arguments: list[str]) -> int:
    """Read every damaged copy, predict with those that are not refused; print what went wrong, one line each.

    Args:
        arguments: module and class of the component, task, folder of the saved model, number of flips, seed, seconds.
    """
    module, name, task, saved, flips, seed, seconds = arguments
    component = getattr(importlib.import_module(module), name)
    example = getattr(component, "example", component)
    case = case_of(component, task)
    rows = case.features(example_table(7, seed=5))
    ends = time.monotonic() + float(seconds)
    with tempfile.TemporaryDirectory() as scratch:
        marker = str(Path(scratch) / "code-has-run")
        for what, path, data in damages(Path(saved), int(flips), int(seed), marker):
            if time.monotonic() > ends:
                break
            folder = Path(scratch) / "model"
            shutil.copytree(saved, folder)
            target = folder / path.relative_to(saved)
            target.unlink() if data is None else target.write_bytes(data)
            print(f"try {what}", flush=True)  # noqa: T201 - the last line tells what a crash was about
            problem = _try(example(), folder, rows)
            if problem:
                print(f"bad {what}: {problem}", flush=True)  # noqa: T201
            if Path(marker).exists():
                print(f"bad {what}: it ran code", flush=True)  # noqa: T201
                Path(marker).rmdir()
            shutil.rmtree(folder)
    print("done", flush=True)  # noqa: T201
    return 0


def _try(model: Any, folder: Path, rows: Features) -> str | None:
    """Load and predict; None when the folder was refused, or gave an answer to every row.

    `load` may leave it to `Predictor.load` to put the plain errors of reading into the one clear form.
    """
    try:
        try:
            loaded = model.load(folder)
        except REFUSALS:
            return None
        found = answers(loaded, rows)
        return None if len(found) == rows.rows else f"{len(found)} answers to {rows.rows} rows"
    except TreadleError:
        return None
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        return f"{type(error).__name__}: {str(error)[:200]} ({Path(last.filename).name}:{last.lineno})"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
