"""How sure a figure is: percentile bootstrap (Efron 1979) of metrics, the rows drawn again and again at once.

A resample is a row of weights: how often each row was drawn. All metrics of one call see the same resamples, and two
models judged on the same rows can see the same ones too, which is what makes a paired comparison.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from treadle.core import registry
from treadle.core.types import Metered, Outcomes
from treadle.stages.judge import score_of

if TYPE_CHECKING:
    from treadle.core.types import Array

CHUNK = 250_000
"""Weights in memory at once."""
WORK = 15_000_000
"""Weights in all: beyond it there are fewer resamples, and the interval is a normal one with their deviation."""
FEWEST, ENOUGH = 50, 200
LARGEST = 1_000_000
SLOW = 50
"""Resamples of a metric that has to be computed anew for each."""


def resamples(rows: int, count: int, seed: int) -> Iterator[Array]:
    """Weightings (some, rows), float64, ``count`` in all: how often each row is drawn in ``rows`` draws."""
    import numpy as np

    generator = np.random.default_rng(seed)
    size = max(1, CHUNK // max(1, rows))
    for start in range(0, count, size):
        many = min(size, count - start)
        drawn = generator.integers(0, rows, (many, rows))
        drawn += np.arange(many)[:, None] * rows
        yield np.bincount(drawn.ravel(), minlength=many * rows).reshape(many, rows).astype(np.float64)


def affordable(rows: int, count: int) -> int:
    """How many resamples of so many rows are worth their time."""
    return min(count, max(FEWEST, WORK // max(1, rows)))


def replicates(outcomes: Outcomes, names: Sequence[str], count: int, seed: int) -> dict[str, Array]:
    """The values of metrics under ``count`` resamples of the rows; a metric without `reweighted` gets fewer."""
    import numpy as np

    metrics: dict[str, Any] = {name: registry.load("metrics", name)() for name in names}
    quick = {name: metric.reweighted(outcomes) for name, metric in metrics.items() if hasattr(metric, "reweighted")}
    found: dict[str, list[Array]] = {name: [] for name in names}
    done = 0
    for drawn in resamples(len(outcomes), count, seed):
        weights = drawn if outcomes.weight is None else drawn * outcomes.weight
        for name in names:
            if name in quick:
                found[name].append(quick[name](weights))
            elif done < SLOW:
                some = weights[: SLOW - done]
                found[name].append(np.array([score_of(replace(outcomes, weight=one), name) for one in some]))
        done += len(drawn)
    return {name: np.concatenate(parts) if parts else np.zeros(0) for name, parts in found.items()}


def metered(outcomes: Outcomes, names: Sequence[str], *, count: int = 500, seed: int = 0) -> dict[str, Metered]:
    """Metrics with their 95 % intervals.

    Args:
        outcomes: the rows.
        names: of metrics.
        count: resamples; 0 gives values without intervals.
        seed: the same seed draws the same rows.

    Above a million rows a fixed sample of that size is resampled, and the spread is scaled down by the root of the
    share (Bickel et al. 1997): right for every metric whose error shrinks with the root of the rows.
    """
    import numpy as np

    values = {name: score_of(outcomes, name) for name in names}
    if not count or len(outcomes) < 2:
        return {name: Metered(value) for name, value in values.items()}
    sample, centre, shrink = outcomes, values, 1.0
    if len(outcomes) > LARGEST:
        chosen = np.random.default_rng(seed).choice(len(outcomes), LARGEST, replace=False)
        sample, shrink = outcomes.take(np.sort(chosen)), math.sqrt(LARGEST / len(outcomes))
        centre = {name: score_of(sample, name) for name in names}
    # One against the rest ranks the rows once a class.
    load = len(sample) * max(1, len(sample.classes) // 2)
    drawn = replicates(sample, names, affordable(load, count), seed)
    found = {}
    for name, value in values.items():
        tags = registry.load("metrics", name).tags
        spread = value + (drawn[name] - centre[name]) * shrink
        found[name] = Metered(value, *interval(value, spread, tags.low, tags.high))
    return found


def interval(
    value: float, drawn: Array, lowest: float | None = None, highest: float | None = None
) -> tuple[float | None, float | None]:
    """The 95 % interval from a figure and its values under resampling; (None, None) where they do not give one.

    The percentiles are moved by the resamples' own bias (their mean minus the figure): it is next to nothing for a
    mean, and keeps the interval around a figure that resampling inflates, such as a largest difference. Fewer than
    200 resamples do not show the percentiles; their standard deviation makes a normal interval instead.
    """
    import numpy as np

    good = drawn[np.isfinite(drawn)]
    if not math.isfinite(value) or len(good) < max(2, 0.5 * len(drawn)):
        return None, None
    if len(good) >= ENOUGH:
        low, high = np.quantile(good, [0.025, 0.975]) - (good.mean() - value)
    else:
        half = 1.96 * good.std(ddof=1)
        low, high = value - half, value + half
    low = low if lowest is None else max(low, lowest)
    high = high if highest is None else min(high, highest)
    return float(min(low, value)), float(max(high, value))
