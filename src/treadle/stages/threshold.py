"""From which probability on the last of two classes is predicted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from treadle.core import registry
from treadle.core.types import Outcomes
from treadle.spec.evaluate import Cost

if TYPE_CHECKING:
    from treadle.core.types import Array

STEPS = 200


def choose_threshold(outcomes: Outcomes, cost: Cost | None, metric: str) -> float:
    """The threshold that costs least, or makes ``metric`` best, on rows that training did not see.

    Args:
        outcomes: of those rows, two classes with probabilities.
        cost: of the two mistakes, or None.
        metric: the deciding one; one that does not read the decision leaves the threshold at 0.5.
    """
    import numpy as np

    if outcomes.probability is None or outcomes.probability.shape[1] != 2 or outcomes.truth is None:
        return 0.5
    score = outcomes.probability[:, 1]
    thresholds = np.unique(np.quantile(score, np.linspace(0, 1, STEPS)))
    if cost is not None:
        wrong = [_costs(score >= limit, outcomes.truth == 1, cost) for limit in thresholds]
        return float(thresholds[int(np.argmin(wrong))])
    component = registry.load("metrics", metric)
    if component.tags.reads != "prediction" or metric == "accuracy":
        return 0.5
    from dataclasses import replace

    found = []
    for limit in thresholds:
        instance = component()
        instance.update(replace(outcomes, prediction=(score >= limit).astype(np.int64)))
        found.append(instance.value() if component.tags.greater_is_better else -instance.value())
    return float(thresholds[int(np.nanargmax(found))])


def _costs(said: Array, true: Array, cost: Cost) -> float:
    return float(cost.false_positive * (said & ~true).sum() + cost.false_negative * (~said & true).sum())
