"""Metrics that hold the errors against the spread of the truth: moments that merge without losing digits."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Self

from treadle.core.types import MetricTags, Outcomes
from treadle.metrics._sums import Reweighted, errors, undefined, usable, weight_of

if TYPE_CHECKING:
    from treadle.core.types import Array

SPREAD = MetricTags(tasks=frozenset({"regression"}), low=None)


class Spread:
    """A metric of the squared deviations of truth and errors from their means (Chan et al. 1983 for merging them)."""

    tags: ClassVar[MetricTags] = SPREAD

    def __init__(self) -> None:
        self.rows = 0
        self.total = 0.0
        self.mean: Array | None = None
        self.squares: Array | None = None

    def of(self, total: Array, mean: Array, squares: Array) -> Array:
        """Values (...) from sums of weights (...), and means and squared deviations (..., 2) of truth and error."""
        raise NotImplementedError

    def update(self, outcomes: Outcomes) -> None:
        """Take the moments of these rows, and merge them in."""
        import numpy as np

        if not usable(outcomes, self.tags):
            return
        weight = weight_of(outcomes)
        total = float(weight.sum())
        if not total:
            return
        pair = _pair(outcomes)
        mean = weight @ pair / total
        self._add(len(outcomes), total, mean, np.asarray(weight @ (pair - mean) ** 2))

    def merge(self, other: Self) -> None:
        """Merge the other's moments in."""
        if other.mean is not None and other.squares is not None:
            self._add(other.rows, other.total, other.mean, other.squares)

    def _add(self, rows: int, total: float, mean: Array, squares: Array) -> None:
        self.rows += rows
        if self.mean is None or self.squares is None:
            self.total, self.mean, self.squares = total, mean, squares
            return
        both = self.total + total
        apart = mean - self.mean
        self.mean = self.mean + apart * (total / both)
        self.squares = self.squares + squares + apart**2 * (self.total * total / both)
        self.total = both

    def value(self) -> float:
        """The value over everything seen; NaN for fewer than two rows."""
        import numpy as np

        if self.mean is None or self.squares is None or self.rows < 2:
            return float("nan")
        return float(self.of(np.asarray(self.total), self.mean, self.squares))

    def reweighted(self, outcomes: Outcomes) -> Reweighted:
        """A function from weightings (replicates, rows) of these outcomes to values (replicates,)."""
        import numpy as np

        if not usable(outcomes, self.tags):
            return undefined
        pair = _pair(outcomes)
        centre = pair.mean(axis=0)
        table = np.concatenate([pair - centre, (pair - centre) ** 2], axis=1)

        def values(weights: Array) -> Array:
            total = weights.sum(axis=1)
            moments = (weights @ table) / total[:, None]
            mean = moments[:, :2]
            return self.of(total, mean + centre, (moments[:, 2:] - mean**2) * total[:, None])

        return values


def _pair(outcomes: Outcomes) -> Array:
    import numpy as np

    return np.stack([np.asarray(outcomes.truth, dtype=np.float64), errors(outcomes)], axis=1)


def explained(left: Array, all_of_it: Array) -> Array:
    """``1 - left / all_of_it``; where nothing varies, 1 for no error and 0 for any."""
    import numpy as np

    flat = all_of_it <= 0
    found = 1.0 - left / np.where(flat, 1.0, all_of_it)
    return np.where(flat, np.where(left == 0, 1.0, np.where(np.isnan(left), np.nan, 0.0)), found)
