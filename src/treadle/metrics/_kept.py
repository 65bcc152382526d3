"""Metrics that need the rows themselves: one array a row, kept until the value is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Self

from treadle.core.types import MetricTags, Outcomes
from treadle.metrics._sums import Reweighted, undefined, usable, weight_of

if TYPE_CHECKING:
    from treadle.core.types import Array


class Kept:
    """A metric of kept arrays and weights; a subclass says what is kept and what is made of it."""

    tags: ClassVar[MetricTags]

    def __init__(self) -> None:
        self.seen: list[tuple[Array, ...]] = []

    def keep(self, outcomes: Outcomes) -> tuple[Array, ...] | None:
        """The arrays to keep, one entry a row each; None when the outcomes lack what the metric reads."""
        raise NotImplementedError

    def of(self, *kept: Array) -> Reweighted:
        """A function from weightings (replicates, rows) of the kept rows to values (replicates,)."""
        raise NotImplementedError

    def update(self, outcomes: Outcomes) -> None:
        """Keep the rows."""
        kept = self.keep(outcomes) if usable(outcomes, self.tags) else None
        if kept is not None:
            self.seen.append((*kept, weight_of(outcomes)))

    def merge(self, other: Self) -> None:
        """Keep the other's rows as well."""
        self.seen.extend(other.seen)

    def value(self) -> float:
        """The value over everything seen, NaN where it is not defined."""
        import numpy as np

        if not self.seen:
            return float("nan")
        *kept, weight = (np.concatenate(parts) for parts in zip(*self.seen, strict=True))
        return float(self.of(*kept)(weight[None, :])[0])

    def reweighted(self, outcomes: Outcomes) -> Reweighted:
        """A function from weightings (replicates, rows) of these outcomes to values (replicates,)."""
        kept = self.keep(outcomes) if usable(outcomes, self.tags) else None
        return undefined if kept is None else self.of(*kept)
