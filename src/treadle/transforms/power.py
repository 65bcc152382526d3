"""Skewed numbers made nearly normal by a power."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from treadle.transforms._columns import ColumnStep, array, finite, present, series

if TYPE_CHECKING:
    import polars as pl

    from treadle.core.types import Array

LARGEST = 5.0
SAMPLE = 10_000


class Power(ColumnStep):
    """The transformation of Yeo and Johnson (2000), its power found by maximum likelihood, then standardized."""

    def learn(self, column: pl.Series) -> list[float]:
        """Power, mean and deviation; numbers are first brought to deviation 1, which the power is found for."""
        values = present(column)
        scale = float(values.std()) if len(values) else 0.0
        if len(values) < 3 or not scale:
            return [1.0, 1.0, float(values.mean()) if len(values) else 0.0, 1.0]
        power = _likeliest(values / scale)
        bent = _bend(values / scale, power)
        return [scale, power, float(bent.mean()), float(bent.std()) or 1.0]

    def sound(self, known: Any) -> bool:
        """Scale, power, mean and deviation."""
        return finite(known, 4) and known[0] > 0 and abs(known[1]) <= LARGEST and known[3] > 0

    def change(self, column: pl.Series, known: Any) -> list[pl.Series]:
        """The same column, nearly normal."""
        scale, power, mean, deviation = known
        return [series(column.name, (_bend(array(column) / scale, power) - mean) / deviation)]


def _likeliest(values: Array) -> float:
    """The power of the greatest likelihood, to 0.05: a grid, then a finer one around its best."""
    import numpy as np

    sample = values[:: max(1, len(values) // SAMPLE)]
    lean = float((np.sign(sample) * np.log1p(np.abs(sample))).mean())

    def likelihood(power: float) -> float:
        variance = float(_bend(sample, power).var())
        return (power - 1) * lean - np.log(variance) / 2 if variance > 1e-300 else -np.inf

    best = max(np.linspace(-LARGEST, LARGEST, 21), key=likelihood)
    best = max(np.linspace(best - 0.5, best + 0.5, 21).clip(-LARGEST, LARGEST), key=likelihood)
    return round(float(best), 4)


def _bend(values: Array, power: float) -> Array:
    import numpy as np

    values = values.clip(-1e6, 1e6)
    up, down = np.maximum(values, 0), np.maximum(-values, 0)
    high = np.log1p(up) if power == 0 else ((up + 1) ** power - 1) / power
    low = np.log1p(down) if power == 2 else ((down + 1) ** (2 - power) - 1) / (2 - power)
    return np.where(np.isnan(values), np.nan, high - low)


COMPONENT = Power
