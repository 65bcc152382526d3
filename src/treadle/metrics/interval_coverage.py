"""Share of the truths that lie in their predicted interval."""

from __future__ import annotations

from typing import TYPE_CHECKING

from treadle.core.types import MetricTags, Outcomes
from treadle.metrics._sums import Mean

if TYPE_CHECKING:
    from treadle.core.types import Array


class IntervalCoverage(Mean):
    """To be held against the level that was asked for: 0.9 is right for quantiles 0.05 and 0.95."""

    tags = MetricTags(tasks=frozenset({"regression"}), reads="interval")

    def rows(self, outcomes: Outcomes) -> Array | None:
        """1 for a row within its bounds."""
        import numpy as np

        if outcomes.low is None or outcomes.high is None:
            return None
        truth = np.asarray(outcomes.truth, dtype=np.float64)
        return ((outcomes.low <= truth) & (truth <= outcomes.high)).astype(np.float64)[:, None]


COMPONENT = IntervalCoverage
