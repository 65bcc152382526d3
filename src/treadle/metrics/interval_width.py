"""Mean width of the predicted intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING

from treadle.core.types import MetricTags, Outcomes
from treadle.metrics._sums import Mean

if TYPE_CHECKING:
    from treadle.core.types import Array


class IntervalWidth(Mean):
    """In the unit of the target; narrow is good only where ``interval_coverage`` is what was asked for."""

    tags = MetricTags(
        tasks=frozenset({"regression"}), reads="interval", greater_is_better=False, truth=False, low=None, high=None
    )

    def rows(self, outcomes: Outcomes) -> Array | None:
        """Widths."""
        import numpy as np

        if outcomes.low is None or outcomes.high is None:
            return None
        return (np.asarray(outcomes.high, dtype=np.float64) - np.asarray(outcomes.low, dtype=np.float64))[:, None]


COMPONENT = IntervalWidth
