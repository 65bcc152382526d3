"""Share of predictions that are right."""

from __future__ import annotations

from typing import ClassVar, Self

from treadle.core.types import MetricTags, Outcomes


class Accuracy:
    """Right predictions divided by all, weighted where weights are given."""

    tags: ClassVar[MetricTags] = MetricTags(tasks=frozenset({"classification"}))

    def __init__(self) -> None:
        self.right = 0.0
        self.total = 0.0

    def update(self, outcomes: Outcomes) -> None:
        """Count."""
        import numpy as np

        weight = np.ones(len(outcomes)) if outcomes.weight is None else outcomes.weight
        self.right += float(weight[outcomes.prediction == outcomes.truth].sum())
        self.total += float(weight.sum())

    def merge(self, other: Self) -> None:
        """Add the counts."""
        self.right += other.right
        self.total += other.total

    def value(self) -> float:
        """The share, NaN for no rows."""
        return self.right / self.total if self.total else float("nan")


COMPONENT = Accuracy
