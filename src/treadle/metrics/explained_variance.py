"""Explained variance."""

from __future__ import annotations

from typing import TYPE_CHECKING

from treadle.metrics._spread import Spread, explained

if TYPE_CHECKING:
    from treadle.core.types import Array


class ExplainedVariance(Spread):
    """One minus the variance of the errors over that of the truth: R2 that forgives a constant bias."""

    def of(self, total: Array, mean: Array, squares: Array) -> Array:
        """Spread of the errors against the spread of the truth."""
        return explained(squares[..., 1], squares[..., 0])


COMPONENT = ExplainedVariance
