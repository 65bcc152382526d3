"""What precision, recall and their kin are made of: for each class the rows hit, the rows it has, the rows it gets."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Self

from treadle.core.types import MetricTags, Outcomes
from treadle.metrics._sums import DENSE, Reweighted, grouped, ratio, undefined, usable, weight_of

if TYPE_CHECKING:
    from treadle.core.types import Array

CLASSES: frozenset[str] = frozenset({"classification"})


class Confusion:
    """A metric of the margins and the diagonal of the confusion matrix; a subclass says which."""

    tags: ClassVar[MetricTags]

    def __init__(self) -> None:
        self.counts: Array | None = None

    def of(self, hit: Array, actual: Array, predicted: Array) -> Array:
        """Values (...) from sums of weights by class, each (..., classes)."""
        raise NotImplementedError

    def update(self, outcomes: Outcomes) -> None:
        """Count."""
        import numpy as np

        if not usable(outcomes, self.tags):
            return
        weight = weight_of(outcomes)
        size, codes = _codes(outcomes)
        self._add(np.stack([np.bincount(part, weight, minlength=size + 1)[:size] for part in codes]))

    def merge(self, other: Self) -> None:
        """Add the other's counts."""
        if other.counts is not None:
            self._add(other.counts)

    def _add(self, counts: Array) -> None:
        import numpy as np

        if self.counts is None:
            self.counts = counts
            return
        size = max(self.counts.shape[1], counts.shape[1])
        mine, theirs = (np.pad(part, ((0, 0), (0, size - part.shape[1]))) for part in (self.counts, counts))
        self.counts = mine + theirs

    def value(self) -> float:
        """The value over everything seen, NaN for no rows."""
        if self.counts is None or not self.counts[1].sum():
            return float("nan")
        return float(self.of(*self.counts))

    def reweighted(self, outcomes: Outcomes) -> Reweighted:
        """A function from weightings (replicates, rows) of these outcomes to values (replicates,)."""
        import numpy as np

        if not usable(outcomes, self.tags):
            return undefined
        size, codes = _codes(outcomes)
        if 3 * size * len(outcomes) > DENSE:
            parts = [grouped(part, size) for part in codes]
            return lambda weights: self.of(*(part(weights) for part in parts))
        table = np.zeros((3, size + 1, len(outcomes)))
        for number, part in enumerate(codes):
            table[number, part, np.arange(len(outcomes))] = 1.0
        flat = table[:, :size].reshape(3 * size, -1).T

        def values(weights: Array) -> Array:
            sums = (weights @ flat).reshape(len(weights), 3, size)
            return self.of(sums[:, 0], sums[:, 1], sums[:, 2])

        return values


def _codes(outcomes: Outcomes) -> tuple[int, tuple[Array, Array, Array]]:
    """The number of classes, and for each row the class hit (that number for a miss), its own and the predicted."""
    import numpy as np

    truth = np.asarray(outcomes.truth, dtype=np.int64)
    prediction = np.asarray(outcomes.prediction, dtype=np.int64)
    size = max(len(outcomes.classes), int(truth.max()) + 1, int(prediction.max()) + 1)
    return size, (np.where(truth == prediction, truth, size), truth, prediction)


def f_score(hit: Array, actual: Array, predicted: Array) -> Array:
    """F1 of each class, 0 where it is not defined."""
    return ratio(2 * hit, actual + predicted, 0.0)


def averaged(score: Array, actual: Array, predicted: Array) -> Array:
    """The plain mean over the classes that occur as truth or prediction."""
    import numpy as np

    present = (actual + predicted) > 0
    return ratio(np.where(present, score, 0.0).sum(axis=-1), present.sum(axis=-1))


def positive(score: Array) -> Array:
    """The entry of the last of two classes; NaN for any other number of classes."""
    import numpy as np

    return score[..., 1] if score.shape[-1] == 2 else np.full(score.shape[:-1], np.nan)
