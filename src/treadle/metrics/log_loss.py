"""Log loss: the negative mean log probability of the truth."""

from __future__ import annotations

from typing import TYPE_CHECKING

from treadle.core.types import MetricTags, Outcomes
from treadle.metrics._sums import Mean

if TYPE_CHECKING:
    from treadle.core.types import Array


class LogLoss(Mean):
    """Cross entropy in nats; probabilities are clipped to [2e-16, 1 - 2e-16] as scikit-learn does."""

    tags = MetricTags(tasks=frozenset({"classification"}), greater_is_better=False, reads="probability", high=None)

    def rows(self, outcomes: Outcomes) -> Array | None:
        """Minus the log of what the true class was given."""
        import numpy as np

        if outcomes.probability is None:
            return None
        given = np.asarray(outcomes.probability, dtype=np.float64)[np.arange(len(outcomes)), outcomes.truth]
        tiny = np.finfo(np.float64).eps
        return -np.log(np.clip(given, tiny, 1.0 - tiny))[:, None]


COMPONENT = LogLoss
