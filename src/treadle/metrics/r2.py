"""R2, the coefficient of determination."""

from __future__ import annotations

from typing import TYPE_CHECKING

from treadle.metrics._spread import Spread, explained

if TYPE_CHECKING:
    from treadle.core.types import Array


class R2(Spread):
    """One minus squared errors over squared deviations of the truth from its mean: 0 is as good as the mean."""

    def of(self, total: Array, mean: Array, squares: Array) -> Array:
        """Errors with their bias, against the spread of the truth."""
        return explained(squares[..., 1] + total * mean[..., 1] ** 2, squares[..., 0])


COMPONENT = R2
