"""Metrics of the order in which rows are ranked: they keep the rows, and sort once for all resamples."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Self

from treadle.core.types import MetricTags, Outcomes
from treadle.metrics._sums import Reweighted, undefined, usable, weight_of

if TYPE_CHECKING:
    from treadle.core.types import Array

RANKED: frozenset[str] = frozenset({"classification", "anomaly"})


class Ranked:
    """A metric of (positive or not, score, weight); for more than two classes the mean over one against the rest."""

    tags: ClassVar[MetricTags]

    def __init__(self) -> None:
        self.seen: list[tuple[Array, Array, Array]] = []

    def of(self, positive: Array, score: Array) -> Reweighted:
        """For one ranking: a function from weightings (replicates, rows) to values (replicates,)."""
        raise NotImplementedError

    def update(self, outcomes: Outcomes) -> None:
        """Keep truth, scores and weights: ranks cannot be summed up."""
        scores = _scores(outcomes) if usable(outcomes, self.tags) else None
        if scores is not None:
            self.seen.append((outcomes.truth, scores, weight_of(outcomes)))  # type: ignore[arg-type]

    def merge(self, other: Self) -> None:
        """Keep the other's rows as well."""
        self.seen.extend(other.seen)

    def value(self) -> float:
        """The value over everything seen; NaN when a class does not occur."""
        import numpy as np

        if not self.seen:
            return float("nan")
        truth, scores, weight = (np.concatenate(parts) for parts in zip(*self.seen, strict=True))
        return float(self._each(truth, scores)(weight[None, :])[0])

    def reweighted(self, outcomes: Outcomes) -> Reweighted:
        """A function from weightings (replicates, rows) of these outcomes to values (replicates,)."""
        scores = _scores(outcomes) if usable(outcomes, self.tags) else None
        return undefined if scores is None else self._each(outcomes.truth, scores)  # type: ignore[arg-type]

    def _each(self, truth: Array, scores: Array) -> Reweighted:
        import numpy as np

        if np.isnan(scores).any():
            return undefined
        if scores.shape[1] == 1:
            return self.of(truth == 1, scores[:, 0]) if set(np.unique(truth).tolist()) <= {0, 1} else undefined
        parts = [self.of(truth == code, scores[:, code]) for code in range(scores.shape[1])]
        return lambda weights: np.mean([part(weights) for part in parts], axis=0)


def _scores(outcomes: Outcomes) -> Array | None:
    """(rows, 1) for two classes or an anomaly's score, (rows, classes) for more; None when there are none."""
    import numpy as np

    if outcomes.probability is None:
        score = outcomes.extra.get("score")
        return None if score is None else np.asarray(score, dtype=np.float64)[:, None]
    probability = np.asarray(outcomes.probability, dtype=np.float64)
    return probability[:, 1:] if probability.shape[1] == 2 else probability
