"""What the neural networks for tables share: bins of numbers, the target's scale, batches, when to stop."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from treadle.core.errors import TreadleError

if TYPE_CHECKING:
    from treadle.core.types import Array, Context, Features

BEYOND = 3e38
MAX_EPOCHS = 200
PLAIN_EPOCHS = 20
TOLD_EVERY = 0.5


def bins_of(numbers: Array, count: int) -> tuple[Array, Array]:
    """Lower edges and widths of at most ``count`` quantile bins of each column, (columns, count), float32.

    A column with fewer distinct values gets fewer bins; those that are left over lie beyond all numbers.
    """
    import numpy as np

    low = np.full((numbers.shape[1], count), BEYOND, dtype=np.float32)
    span = np.ones((numbers.shape[1], count), dtype=np.float32)
    for position in range(numbers.shape[1]):
        column = numbers[:, position]
        column = column[np.isfinite(column)]
        edges = np.unique(np.quantile(column, np.linspace(0, 1, count + 1))) if len(column) else np.zeros(0)
        edges = edges.astype(np.float32)
        if len(edges) == 1:
            edges = np.array([edges[0], edges[0] + np.float32(max(1.0, abs(float(edges[0]))))], dtype=np.float32)
        wide = np.diff(edges) if len(edges) else edges
        low[position, : len(wide)] = edges[:-1]
        span[position, : len(wide)] = np.maximum(wide, 1e-30)
    return low, span


def piecewise(numbers: Array, low: Array, span: Array) -> Array:
    """Piecewise linear encoding (Gorishniy et al. 2022): how far a number goes through each bin, then a missing flag.

    Returns:
        (rows, columns x (bins + 1)), float32.
    """
    import numpy as np

    absent = ~np.isfinite(numbers)
    filled = np.where(absent, np.float32(0), numbers).astype(np.float32)
    inside = np.clip((filled[:, :, None] - low) / span, 0.0, 1.0)
    inside[absent] = 0.0
    whole = np.concatenate([inside, absent[:, :, None].astype(np.float32)], axis=2)
    return whole.reshape(len(numbers), -1)


def split(features: Features) -> tuple[Array, Array, tuple[int, ...]]:
    """The numbers (float32), the category codes (int64, 0 for missing) and how many codes each column has."""
    import numpy as np

    numbers = [block.values for block in features.of_kind("number")]
    blocks = features.of_kind("category")
    sizes = tuple(size + 1 for block in blocks for size in block.sizes)
    codes = [np.clip(block.values.astype(np.int64) + 1, 0, np.array(block.sizes)) for block in blocks]
    rows = features.rows
    return (
        np.concatenate(numbers, axis=1).astype(np.float32) if numbers else np.zeros((rows, 0), dtype=np.float32),
        np.concatenate(codes, axis=1) if codes else np.zeros((rows, 0), dtype=np.int64),
        sizes,
    )


def width_of_embedding(size: int) -> int:
    """How many numbers stand for a category out of ``size``."""
    return int(min(48, max(2, round(1.6 * size**0.5))))


def scale_of(target: Array, classes: int) -> tuple[float, float]:
    """Mean and deviation of a regression's target; 0 and 1 for classes."""
    if classes or not len(target):
        return 0.0, 1.0
    deviation = float(target.std())
    return float(target.mean()), deviation if deviation > 1e-12 else 1.0


def batch_for(asked: int | None, rows: int) -> int:
    """Rows of a batch: what was asked, or a power of two from 32 to 512 that makes an epoch about a hundred steps."""
    return asked or int(min(512, max(32, 2 ** (max(1, rows // 64).bit_length() - 1))))


def epochs_for(asked: int | None, validated: bool) -> int:
    """How many epochs: what was asked, else many with validation rows, else few."""
    return asked or (MAX_EPOCHS if validated else PLAIN_EPOCHS)


def check_width(got: int, wanted: int, what: str) -> None:
    """Raise when the features are not those of the training."""
    if got != wanted:
        raise TreadleError(f"the model learned from {wanted} columns of {what} and got {got}")


class Pace:
    """Says when to end: no gain on the validation rows, the seconds spent, or a wish to stop."""

    def __init__(self, context: Context, epochs: int, patience: int) -> None:
        self.events = context.events
        self.epochs = epochs
        self.patience = patience
        self.started = self.told = time.perf_counter()
        self.deadline = None if context.budget is None else self.started + context.budget
        self.best = 0
        self.loss = float("inf")

    def hurried(self, done: float) -> bool:
        """Whether to break off now, inside an epoch; also tells how far it is."""
        now = time.perf_counter()
        if now - self.told >= TOLD_EVERY:
            self.told = now
            self.events.progress("training the network", done, self.epochs)
        return self.events.stopping or (self.deadline is not None and now >= self.deadline)

    def gained(self, epoch: int, loss: float | None) -> bool:
        """Whether the state after this many epochs is the best so far."""
        if loss is None or loss < self.loss - 1e-6 or not self.best:
            self.best = epoch
            self.loss = self.loss if loss is None else loss
            return True
        return False

    def ends(self, epoch: int) -> bool:
        """Whether to end after this many epochs."""
        return epoch >= self.epochs or epoch - self.best >= self.patience


def checked_facts(facts: Any, where: object, whole: dict[str, tuple[int, int]]) -> dict[str, Any]:
    """The facts on disk, when each of ``whole`` is a whole number in its range and the sizes and scale make sense."""
    good = isinstance(facts, dict)
    for name, (low, high) in whole.items():
        good = good and type(facts.get(name)) is int and low <= facts[name] <= high
    sizes = facts.get("sizes") if good else None
    good = good and isinstance(sizes, list) and all(type(size) is int and 0 < size <= 1_000_000 for size in sizes)
    scale = facts.get("scale") if good else None
    good = good and isinstance(scale, list) and len(scale) == 2
    good = good and all(type(item) in (int, float) and abs(item) < 1e300 for item in scale or [])
    if not good:
        raise TreadleError("the model's facts are not what they must be", where=where)
    return dict(facts)
