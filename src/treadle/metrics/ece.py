"""Expected calibration error."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from treadle.core.options import Doc, Range
from treadle.core.types import MetricTags, Outcomes
from treadle.metrics._sums import Reweighted, Sums, grouped, ratio, undefined, usable

if TYPE_CHECKING:
    from treadle.core.types import Array


class Ece(Sums):
    """Mean distance of what was promised and what happened, over bins of equal width (Naeini et al. 2015).

    Two classes: the probability of the last one against its share. More: the largest probability against the share
    of right answers (Guo et al. 2017).
    """

    tags = MetricTags(tasks=frozenset({"classification"}), greater_is_better=False, reads="probability")

    def __init__(self, *, bins: Annotated[int, Range(1, 1000), Doc("bins between 0 and 1")] = 15) -> None:
        super().__init__()
        self.bins = bins

    def rows(self, outcomes: Outcomes) -> Array | None:
        """For each row, in the column of its bin, promised minus happened."""
        import numpy as np

        gap = self._gaps(outcomes)
        if gap is None:
            return None
        table = np.zeros((len(outcomes), self.bins))
        table[np.arange(len(outcomes)), gap[0]] = gap[1]
        return table

    def _gaps(self, outcomes: Outcomes) -> tuple[Array, Array] | None:
        import numpy as np

        if outcomes.probability is None:
            return None
        probability = np.asarray(outcomes.probability, dtype=np.float64)
        truth = np.asarray(outcomes.truth)
        if probability.shape[1] == 2:
            promised, happened = probability[:, 1], truth == 1
        else:
            promised, happened = probability.max(axis=1), probability.argmax(axis=1) == truth
        place = np.nan_to_num(promised * self.bins).astype(np.int64)
        return np.clip(place, 0, self.bins - 1), promised - happened

    def of(self, sums: Array, total: Array) -> Array:
        """Sizes of the bins' sums, over all weight."""
        import numpy as np

        return ratio(np.abs(sums).sum(axis=-1), total)

    def reweighted(self, outcomes: Outcomes) -> Reweighted:
        """The same for many weightings of these rows."""
        gap = self._gaps(outcomes) if usable(outcomes, self.tags) else None
        if gap is None:
            return undefined
        place, size = gap
        sums = grouped(place, self.bins)
        return lambda weights: self.of(sums(weights * size), weights.sum(axis=1))


COMPONENT = Ece
