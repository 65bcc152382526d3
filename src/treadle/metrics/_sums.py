"""Metrics that are functions of sums over the rows: they merge exactly, and resample in one matrix product."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, Self

from treadle.core.types import MetricTags, Outcomes

if TYPE_CHECKING:
    from treadle.core.types import Array

DENSE = 4_000_000
Reweighted = Callable[["Array"], "Array"]


def weight_of(outcomes: Outcomes) -> Array:
    """One weight a row, float64."""
    import numpy as np

    if outcomes.weight is None:
        return np.ones(len(outcomes))
    return np.asarray(outcomes.weight, dtype=np.float64)


def usable(outcomes: Outcomes, tags: MetricTags) -> bool:
    """Whether there is something to measure: rows, and labels where the metric wants them."""
    return len(outcomes) > 0 and (outcomes.truth is not None or not tags.truth)


def undefined(weights: Array) -> Array:
    """NaN for each weighting."""
    import numpy as np

    return np.full(len(weights), np.nan)


def ratio(over: Array, under: Array, otherwise: float = float("nan")) -> Array:
    """``over / under``, and ``otherwise`` where ``under`` is 0."""
    import numpy as np

    over, under = np.broadcast_arrays(np.asarray(over, dtype=np.float64), np.asarray(under, dtype=np.float64))
    return np.asarray(np.divide(over, under, out=np.full(over.shape, otherwise), where=under != 0))


def grouped(codes: Array, size: int) -> Reweighted:
    """A function from weightings (replicates, rows) to their sums by code (replicates, size).

    Args:
        codes: for each row its group, 0 to ``size - 1``; a row with the code ``size`` is left out.
        size: number of groups.
    """
    import numpy as np

    if len(codes) * size <= DENSE:
        onehot = np.zeros((len(codes), size + 1))
        onehot[np.arange(len(codes)), codes] = 1.0
        table = onehot[:, :size]
        return lambda weights: np.asarray(weights @ table)
    order = np.argsort(codes, kind="stable")
    present, starts = np.unique(codes[order], return_index=True)

    def sums(weights: Array) -> Array:
        found = np.zeros((len(weights), size + 1))
        found[:, present] = np.add.reduceat(weights[:, order], starts, axis=1)
        return found[:, :size]

    return sums


class Sums:
    """A metric ``of(sums over the rows, sum of weights)``; a subclass says what is summed and what is made of it."""

    tags: ClassVar[MetricTags]

    def __init__(self) -> None:
        self.sums: Array | None = None
        self.total = 0.0

    def rows(self, outcomes: Outcomes) -> Array | None:
        """(rows, statistics), float64; None when the outcomes lack what the metric reads."""
        raise NotImplementedError

    def of(self, sums: Array, total: Array) -> Array:
        """Values (...) from weighted sums (..., statistics) and sums of weights (...)."""
        raise NotImplementedError

    def update(self, outcomes: Outcomes) -> None:
        """Add up."""
        if not usable(outcomes, self.tags):
            return
        rows = self.rows(outcomes)
        if rows is None:
            return
        weight = weight_of(outcomes)
        added = weight @ rows
        self.sums = added if self.sums is None else self.sums + added
        self.total += float(weight.sum())

    def merge(self, other: Self) -> None:
        """Add the other's sums."""
        if other.sums is None:
            return
        self.sums = other.sums if self.sums is None else self.sums + other.sums
        self.total += other.total

    def value(self) -> float:
        """The value over everything seen, NaN for no rows."""
        import numpy as np

        if self.sums is None or not self.total:
            return float("nan")
        return float(self.of(self.sums, np.asarray(self.total)))

    def reweighted(self, outcomes: Outcomes) -> Reweighted:
        """A function from weightings (replicates, rows) of these outcomes to values (replicates,)."""
        rows = self.rows(outcomes) if usable(outcomes, self.tags) else None
        if rows is None:
            return undefined
        fixed = rows
        return lambda weights: self.of(weights @ fixed, weights.sum(axis=1))


class Mean(Sums):
    """The weighted mean of one number a row."""

    def of(self, sums: Array, total: Array) -> Array:
        """The mean."""
        return ratio(sums[..., 0], total)


def errors(outcomes: Outcomes) -> Array:
    """Truth minus prediction, float64."""
    import numpy as np

    return np.asarray(outcomes.truth, dtype=np.float64) - np.asarray(outcomes.prediction, dtype=np.float64)
