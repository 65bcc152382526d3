"""What every encoder and every named step promises: ``check_encoder(...)`` and ``check_transform(MyStep)``."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from treadle.core.types import Block
from treadle.testing._state import hold, no_pickle, refuses_damage

if TYPE_CHECKING:
    import polars as pl


def example_column(kind: str, *, rows: int = 60, name: str = "x", seed: int = 0) -> pl.Series:
    """A column of a kind as the predictor hands it on, with gaps: decoded, so numbers are numbers.

    Args:
        kind: ``number``, ``category``, ``boolean``, ``text`` or ``time``.
        rows: how many.
        name: of the column.
        seed: of the random numbers.
    """
    import datetime

    import numpy as np
    import polars as pl

    rng = np.random.default_rng(seed)
    start = datetime.datetime(2024, 1, 1)
    words = np.array(["red", "green", "blue", "old", "new", "car", "house"])
    made: dict[str, list[Any]] = {
        "number": [float(value) for value in rng.lognormal(2, 1, rows)],
        "category": [
            str(value) for value in rng.choice(["Oslo", "Rome", "Lima", "Ulm"], rows, p=[0.5, 0.3, 0.15, 0.05])
        ],
        "boolean": [float(value) for value in rng.integers(0, 2, rows)],
        "text": [" ".join(rng.choice(words, rng.integers(1, 6))) for _ in range(rows)],
        "time": [start + datetime.timedelta(hours=int(value)) for value in rng.integers(0, 20_000, rows)],
    }
    types: dict[str, Any] = {"number": pl.Float64, "boolean": pl.Float32, "time": pl.Datetime("us")}
    values = [None if gap else value for value, gap in zip(made[kind], rng.random(rows) < 0.1, strict=True)]
    return pl.Series(name, values, dtype=types.get(kind, pl.String))


def _unseen(column: pl.Series) -> pl.Series:
    import datetime

    import polars as pl

    if column.dtype == pl.String:
        strange = ["never seen", "", "\x00", "🦔" * 50, "x" * 10_000]
        return pl.Series(column.name, [strange[row % 5] for row in range(len(column))], dtype=pl.String)
    if column.dtype == pl.Datetime:
        return pl.Series(column.name, [datetime.datetime(2999, 1, 1)] * len(column), dtype=column.dtype)
    strange_numbers = [1e30, -1e30, 0.0, float("inf"), float("nan")]
    dtype = column.dtype if column.dtype.is_float() else pl.Float64
    return pl.Series(column.name, [strange_numbers[row % 5] for row in range(len(column))], dtype=dtype)


def check_encoder(make: Callable[[], Any], frame: pl.DataFrame, *, missing: bool = True, damage: bool = True) -> None:
    """Put an encoder through what every encoder must do.

    Shapes and names agree; the same rows give the same array, alone or among others; missing values, values never
    seen and no rows at all do not fail; `apply` leaves its input as it was; what is saved is no pickle and loads to
    the same array; damaged files are refused.

    Args:
        make: builds a fresh, unfitted encoder.
        frame: rows to fit on.
        missing: whether the block may hold NaN.
        damage: also spoil the saved files in many ways, which takes a second.

    Raises:
        AssertionError: naming the promise that is broken.
    """
    import numpy as np

    encoder = make().fit(frame)
    before = frame.clone()
    block = encoder.apply(frame)
    _check_block(block, frame, missing)
    hold(frame.equals(before), "apply changed its input")
    _same(encoder.apply(frame), block, "the same rows gave another array")
    _same(make().fit(frame).apply(frame), block, "fitting twice on the same rows gave another array")
    for size in (0, 1, 70):
        part = encoder.apply(frame.head(size))
        _check_block(part, frame.head(size), missing)
        hold(part.names == block.names, f"with {size} rows the names differ")
        if part.kind != "text":
            close = np.allclose(part.values, block.values[: len(part.values)], atol=1e-5, equal_nan=True)
            hold(close, f"{size} rows alone are encoded differently than among others")
    gaps = frame.clear(frame.height)
    for name, strange in (("missing values", gaps), ("values never seen", frame.select(map(_unseen, frame)))):
        found = encoder.apply(strange)
        _check_block(found, strange, missing)
        hold(found.names == block.names, f"{name} changed the names")
    empty = make().fit(gaps)
    _check_block(empty.apply(frame), frame, missing)
    _check_block(make().fit(frame.head(0)).apply(frame), frame, missing)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "saved"
        folder.mkdir()
        encoder.save(folder)
        no_pickle(folder)
        _same(make().load(folder).apply(frame), block, "loaded, it gave another array")
        if damage:
            refuses_damage(folder, lambda place: make().load(place).apply(frame))


def _check_block(block: Any, frame: pl.DataFrame, missing: bool) -> None:
    import numpy as np

    hold(isinstance(block, Block), "apply returns a Block")
    rows, width = block.values.shape
    hold(rows == frame.height, f"{rows} rows came out of {frame.height}")
    hold(width == len(block.names) == len(block.columns), "names, columns and width differ")
    hold(len(set(block.names)) == width, "a name stands twice")
    hold(set(block.columns) <= set(frame.columns), "a column that the user does not have")
    if block.kind == "number":
        hold(block.values.dtype == np.float32, f"numbers are {block.values.dtype}, expected float32")
        hold(not np.isinf(block.values).any(), "an infinite number came out")
        hold(missing or not np.isnan(block.values).any(), "NaN for a model that does not take it")
    elif block.kind == "category":
        hold(block.values.dtype == np.int32, f"codes are {block.values.dtype}, expected int32")
        hold(len(block.sizes) == width, "sizes and width differ")
        hold((block.values >= -1).all() and (block.values < np.array(block.sizes, dtype=int)).all(), "a code too high")


def _same(found: Block, expected: Block, problem: str) -> None:
    import numpy as np

    for part in ("names", "columns", "kind", "sizes"):
        hold(getattr(found, part) == getattr(expected, part), problem)
    if expected.kind == "text":
        hold((found.values == expected.values).all(), problem)
    else:
        hold(np.array_equal(found.values, expected.values, equal_nan=True), problem)


def check_transform(component: Any, frame: pl.DataFrame | None = None) -> None:
    """Put a named step through what every step must do.

    A step with the attribute ``encodes`` is checked as an encoder. Any other keeps the rows and their order, gives
    the same for a row alone as among others, leaves its input as it was, takes missing values, values never seen, no
    rows and a thousand columns, saves no pickle, and loads to the same frame.

    Args:
        component: the class; ``example()`` builds one, ``kinds`` says what columns it takes.
        frame: rows to try it on; made up for each of its kinds when not given.

    Raises:
        AssertionError: naming the promise that is broken.
    """
    import polars as pl

    kinds = getattr(component, "kinds", ())
    hold(kinds, "a step says in `kinds` what columns it takes")
    frames = [frame] if frame is not None else [pl.DataFrame([example_column(kind)]) for kind in sorted(kinds)]
    for each in frames:
        if hasattr(component, "encodes"):
            check_encoder(component.example, each)
        else:
            _check_step(component, each)
    for kind in sorted(kinds):
        few = [example_column(kind, rows=8, seed=seed) for seed in range(7)]
        many = pl.DataFrame([few[number % 7].rename(f"c{number}") for number in range(1000)])
        fitted = component.example().fit(many)
        hold(_rows(fitted.apply(many)) == 8, "a thousand columns do not fit through")


def _rows(found: Any) -> int:
    return int(found.values.shape[0] if isinstance(found, Block) else found.height)


def _check_step(component: Any, frame: pl.DataFrame) -> None:
    import polars as pl
    from polars.testing import assert_frame_equal

    step = component.example().fit(frame)
    before = frame.clone()
    found = step.apply(frame)
    hold(isinstance(found, pl.DataFrame), "apply returns a frame")
    hold(frame.equals(before), "apply changed its input")
    hold(found.height == frame.height, f"{found.height} rows came out of {frame.height}")
    hold(found.width, "no column is left")
    assert_frame_equal(component.example().fit(frame).apply(frame), found)
    for size in (0, 1, 7):
        assert_frame_equal(step.apply(frame.head(size)), found.head(size))
    shuffled = list(reversed(range(frame.height)))
    assert_frame_equal(step.apply(frame[shuffled]), found[shuffled])
    for strange in (frame.clear(frame.height), frame.select(map(_unseen, frame))):
        other = step.apply(strange)
        hold(other.schema == found.schema, "missing or unseen values changed the columns")
        hold(other.height == strange.height, "missing or unseen values changed the rows")
    for nothing in (frame.clear(frame.height), frame.head(0)):
        hold(component.example().fit(nothing).apply(frame).height == frame.height, "fitted on nothing, it failed")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "saved"
        folder.mkdir()
        step.save(folder)
        no_pickle(folder)
        assert_frame_equal(component.example().load(folder).apply(frame), found)
        refuses_damage(folder, lambda place: component.example().load(place).apply(frame))
