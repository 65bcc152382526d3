"""Mean absolute percentage error."""

from __future__ import annotations

from typing import TYPE_CHECKING

from treadle.core.types import MetricTags, Outcomes
from treadle.metrics._sums import Mean, errors

if TYPE_CHECKING:
    from treadle.core.types import Array


class Mape(Mean):
    """The mean of the errors' size relative to the truth, as a share (0.1 is 10 %); a truth of 0 makes it huge."""

    tags = MetricTags(tasks=frozenset({"regression"}), greater_is_better=False, high=None)

    def rows(self, outcomes: Outcomes) -> Array | None:
        """Relative errors."""
        import numpy as np

        size = np.abs(np.asarray(outcomes.truth, dtype=np.float64))
        return (np.abs(errors(outcomes)) / np.maximum(size, np.finfo(np.float64).eps))[:, None]


COMPONENT = Mape
