"""Mean absolute error."""

from __future__ import annotations

from typing import TYPE_CHECKING

from treadle.core.types import MetricTags, Outcomes
from treadle.metrics._sums import Mean, errors

if TYPE_CHECKING:
    from treadle.core.types import Array


class Mae(Mean):
    """The mean size of the errors, in the unit of the target."""

    tags = MetricTags(tasks=frozenset({"regression"}), greater_is_better=False, high=None)

    def rows(self, outcomes: Outcomes) -> Array | None:
        """Absolute errors."""
        import numpy as np

        return np.abs(errors(outcomes))[:, None]


COMPONENT = Mae
