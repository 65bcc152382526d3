"""What the boosting libraries share: when to stop, the shape of predictions, the facts on disk."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from treadle.core.errors import TreadleError
from treadle.core.jsonable import read_json

if TYPE_CHECKING:
    import polars as pl

    from treadle.core.types import Array, Context, Features

MAX_ROUNDS = 2000
MAX_WIDTH = 1_000_000
MAX_CLASSES = 10_000
MAX_TEXT = 1024**3
TOLD_EVERY = 0.5


class Watch:
    """Says after each round whether to go on, and remembers the best round.

    It ends when ``patience`` rounds brought no gain on the validation rows, when the seconds are spent, or when
    somebody asked to stop; what was learned until then is kept.

    Args:
        context: its budget, its events.
        rounds: how many there will be at most.
        patience: rounds without gain before it ends.
        started: when the fit began, by `time.perf_counter`.
        part, parts: which of several equal parts of the budget this fit may use up.
    """

    def __init__(
        self, context: Context, rounds: int, patience: int, started: float, part: int = 1, parts: int = 1
    ) -> None:
        self.events = context.events
        self.rounds = rounds
        self.patience = patience
        self.deadline = None if context.budget is None else started + context.budget * part / parts
        self.best = 0
        self.loss = float("inf")
        self.told = started

    def ends(self, done: int, loss: float | None) -> bool:
        """Whether to end after ``done`` rounds with this validation loss (None without validation rows)."""
        if loss is None or loss < self.loss or not self.best:
            self.best = done
            self.loss = self.loss if loss is None else loss
        now = time.perf_counter()
        if now - self.told >= TOLD_EVERY:
            self.told = now
            self.events.progress("boosting", done, self.rounds)
        spent = self.deadline is not None and now >= self.deadline
        return spent or self.events.stopping or done - self.best >= self.patience


def rounds_for(rounds: int | None, learning_rate: float, validated: bool) -> int:
    """How many rounds to boost: what was asked, else many with validation rows, else what the shrinkage needs."""
    if rounds is not None:
        return rounds
    return MAX_ROUNDS if validated else max(20, min(MAX_ROUNDS, round(10 / learning_rate)))


def matrix_of(features: Features, width: int | None = None) -> Array:
    """The feature matrix, float32 and C-contiguous; one column of zeros when there is none.

    Raises:
        TreadleError: its width is not ``width``.
    """
    import numpy as np

    matrix: Array = features.once("matrix", lambda: np.ascontiguousarray(features.matrix()))
    if not matrix.shape[1]:
        matrix = np.zeros((features.rows, 1), dtype=np.float32)
    if width is not None and matrix.shape[1] != width:
        raise TreadleError(f"the model learned from {width} columns and got {matrix.shape[1]}")
    return matrix


def leaf_rows(asked: int, rows: int) -> int:
    """Rows that a leaf must hold: what was asked, but few enough that small data can be split at all."""
    return max(1, min(asked, rows // 10))


def probabilities(values: Array, classes: int) -> pl.DataFrame:
    """``probability_<code>`` from (rows,) of the last of two classes, or from (rows, classes)."""
    import numpy as np
    import polars as pl

    if values.ndim == 1:
        values = np.stack([1.0 - values, values], axis=1)
    return pl.DataFrame({f"probability_{code}": np.asarray(values[:, code], np.float64) for code in range(classes)})


def values_frame(values: Array, quantiles: Mapping[float, Array]) -> pl.DataFrame:
    """``prediction``, and ``quantile_<level>`` sorted along each row so that they never cross."""
    import numpy as np
    import polars as pl

    columns: dict[str, Any] = {"prediction": np.asarray(values, np.float64)}
    levels = sorted(quantiles)
    if levels:
        ordered = np.sort(np.stack([quantiles[level] for level in levels], axis=1).astype(np.float64), axis=1)
        columns |= {f"quantile_{level}": ordered[:, position] for position, level in enumerate(levels)}
    return pl.DataFrame(columns)


def read_facts(folder: Path) -> tuple[int, int, tuple[float, ...], Mapping[str, Any]]:
    """``model.json``: the number of classes, the width, the quantile levels, and all the rest; checked."""
    path = folder / "model.json"
    facts = read_json(path)
    good = isinstance(facts, dict) and all(type(facts.get(key)) is int for key in ("classes", "width", "rounds"))
    levels: Sequence[Any] = facts.get("quantiles", ()) if good else ()
    good = good and facts["classes"] in range(MAX_CLASSES + 1) and facts["width"] in range(1, MAX_WIDTH + 1)
    good = good and isinstance(levels, list) and all(isinstance(level, float) and 0 < level < 1 for level in levels)
    if not good:
        raise TreadleError("the model's facts are not what they must be", where=path)
    return facts["classes"], facts["width"], tuple(levels), facts


def read_text(path: Path) -> str:
    """A text file of at most 1 GB."""
    try:
        if path.stat().st_size > MAX_TEXT:
            raise TreadleError("the model is too large", where=path)
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise TreadleError("the file is missing", where=path) from None
    except UnicodeDecodeError:
        raise TreadleError("the model is not text", where=path) from None
