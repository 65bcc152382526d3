"""From which probability on the last of two classes is predicted."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from treadle.core import registry
from treadle.core.types import Outcomes
from treadle.spec.evaluate import Cost
from treadle.stages.judge import score_of

if TYPE_CHECKING:
    from treadle.core.types import Array

STEPS = 200


def choose_threshold(outcomes: Outcomes, cost: Cost | None, metric: str) -> float:
    """The threshold that costs least, or makes ``metric`` best, on rows that training did not see.

    Thresholds lie midway between scores, where a small change of a score changes no decision; of equally good ones
    the nearest to 0.5 is taken.

    Args:
        outcomes: of those rows, two classes with probabilities.
        cost: of the two mistakes, or None.
        metric: the deciding one; one that does not read the decision, or accuracy, leaves the threshold at 0.5.
    """
    import numpy as np

    if outcomes.probability is None or outcomes.probability.shape[1] != 2 or outcomes.truth is None:
        return 0.5
    component = registry.load("metrics", metric)
    if not len(outcomes) or (cost is None and (component.tags.reads != "prediction" or metric == "accuracy")):
        return 0.5
    score = outcomes.probability[:, 1]
    limits = _limits(score)
    if cost is not None:
        found = -_costs(score, outcomes.truth == 1, limits, cost)
    else:
        sign = 1.0 if component.tags.greater_is_better else -1.0
        said = ((score >= limit).astype(np.int64) for limit in limits)
        found = sign * np.array([score_of(replace(outcomes, prediction=codes), metric) for codes in said])
    if np.isnan(found).all():
        return 0.5
    return float(limits[int(np.flatnonzero(found == np.nanmax(found))[0])])


def _limits(score: Array) -> Array:
    """Thresholds to try, nearest to 0.5 first: 0.5, midway between quantiles of the scores, and one above them all."""
    import numpy as np

    points = np.unique(np.quantile(score, np.linspace(0, 1, STEPS), method="nearest"))
    limits = np.concatenate(
        [[0.5, points[0], min(1.0, float(np.nextafter(points[-1], 2.0)))], (points[1:] + points[:-1]) / 2]
    )
    return limits[np.argsort(np.abs(limits - 0.5), kind="stable")]


def _costs(score: Array, true: Array, limits: Array, cost: Cost) -> Array:
    """The sum of the costs at each threshold."""
    import numpy as np

    missed = np.searchsorted(np.sort(score[true]), limits, side="left")
    other = np.sort(score[~true])
    false = len(other) - np.searchsorted(other, limits, side="left")
    return np.asarray(cost.false_positive * false + cost.false_negative * missed)
