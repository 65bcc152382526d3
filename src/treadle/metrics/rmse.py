"""Root mean squared error."""

from __future__ import annotations

import math
from typing import ClassVar, Self

from treadle.core.types import MetricTags, Outcomes


class Rmse:
    """The square root of the mean squared error, in the unit of the target."""

    tags: ClassVar[MetricTags] = MetricTags(tasks=frozenset({"regression"}), greater_is_better=False, high=None)

    def __init__(self) -> None:
        self.squares = 0.0
        self.total = 0.0

    def update(self, outcomes: Outcomes) -> None:
        """Add up squared errors."""
        import numpy as np

        weight = np.ones(len(outcomes)) if outcomes.weight is None else outcomes.weight
        self.squares += float((weight * (outcomes.prediction - outcomes.truth) ** 2).sum())
        self.total += float(weight.sum())

    def merge(self, other: Self) -> None:
        """Add the sums."""
        self.squares += other.squares
        self.total += other.total

    def value(self) -> float:
        """The error, NaN for no rows."""
        return math.sqrt(self.squares / self.total) if self.total else float("nan")


COMPONENT = Rmse
