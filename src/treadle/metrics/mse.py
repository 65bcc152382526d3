"""Mean squared error."""

from __future__ import annotations

from typing import TYPE_CHECKING

from treadle.core.types import MetricTags, Outcomes
from treadle.metrics._sums import Mean, errors

if TYPE_CHECKING:
    from treadle.core.types import Array


class Mse(Mean):
    """The mean of the squared errors, in the unit of the target squared."""

    tags = MetricTags(tasks=frozenset({"regression"}), greater_is_better=False, high=None)

    def rows(self, outcomes: Outcomes) -> Array | None:
        """Squared errors."""
        return errors(outcomes)[:, None] ** 2


COMPONENT = Mse
