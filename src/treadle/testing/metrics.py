"""What every metric promises, as one check: ``check_metric(MyMetric)`` raises at the first promise that is broken."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from treadle.core.types import Outcomes


def example_outcomes(task: str, *, rows: int = 120, classes: int = 2, seed: int = 0, perfect: bool = False) -> Outcomes:
    """Made-up truth and predictions of a task.

    Args:
        task: ``classification``, ``regression``, ``clustering`` or ``anomaly``.
        rows: how many.
        classes: for classification and clustering.
        seed: of the random numbers.
        perfect: predictions that could not be better.
    """
    import numpy as np

    rng = np.random.default_rng(seed)
    names = tuple(f"c{code}" for code in range(classes))
    truth = rng.permutation(np.arange(rows) % max(2, classes))
    if task == "classification":
        scores = rng.normal(size=(rows, classes)) + 1.5 * np.eye(classes)[truth]
        if perfect:
            scores = 1000.0 * np.eye(classes)[truth]
        odds = np.exp(scores - scores.max(axis=1, keepdims=True))
        probability = odds / odds.sum(axis=1, keepdims=True)
        return Outcomes(task, truth, probability.argmax(axis=1), probability, names)
    if task == "regression":
        values = rng.normal(10.0, 3.0, rows)
        guess = values if perfect else values + rng.normal(0.0, 1.0, rows)
        width = 0.0 if perfect else 2.0
        return Outcomes(task, values, guess, low=guess - width, high=guess + width)
    if task == "anomaly":
        truth = (rng.random(rows) < 0.2).astype(np.int64)
        score = truth - 0.5 if perfect else truth + rng.normal(0.0, 1.0, rows) - 0.8
        return Outcomes(task, truth, (score > 0).astype(np.int64), extra={"score": score})
    spread = 0.0 if perfect else 1.0
    features = 4.0 * np.eye(max(2, classes), 3)[truth] + spread * rng.normal(size=(rows, 3))
    found = truth if perfect else np.where(rng.random(rows) < 0.85, truth, (truth + 1) % max(2, classes))
    return Outcomes(task, truth, found, extra={"features": features})


def check_metric(metric: Any) -> None:
    """Put a metric through what every metric must do.

    In pieces it gives what it gives at once, in any order; no rows give NaN; values stay within the tags' bounds; no
    prediction is better than the perfect one; a weight of 2 counts like the row twice; the vectorised
    ``reweighted``, where it is there, agrees with ``value``.

    Args:
        metric: the class.

    Raises:
        AssertionError: naming the promise that is broken.
    """
    make = metric.example if hasattr(metric, "example") else metric
    for task in sorted(metric.tags.tasks):
        for classes in (2,) if metric.tags.binary or task != "classification" else (2, 4):
            _check_one(make, metric.tags, example_outcomes(task, classes=classes), (task, classes))


def _check_one(make: Any, tags: Any, outcomes: Outcomes, case: tuple[str, int]) -> None:
    import numpy as np

    def same(one: float, other: float, promise: str) -> None:
        both_nan = math.isnan(one) and math.isnan(other)
        _demand(both_nan or math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-9), f"{promise}: {one} and {other}", case)

    whole = measure(make, outcomes)
    _demand(math.isfinite(whole), f"a value on plain data: {whole}", case)
    _demand(isinstance(whole, float), "the value is a float", case)
    _demand(math.isnan(make().value()), "NaN before any row", case)
    _demand(math.isnan(measure(make, outcomes.take(np.zeros(0, dtype=np.int64)))), "NaN for no rows", case)
    low, high = tags.low, tags.high
    _demand(low is None or whole >= low - 1e-9, f"{whole} is below the bound {low}", case)
    _demand(high is None or whole <= high + 1e-9, f"{whole} is above the bound {high}", case)

    cuts = [np.arange(0, 50), np.arange(50, 51), np.arange(51, len(outcomes))]
    pieces = make()
    merged = make()
    for cut in cuts:
        part = make()
        part.update(outcomes.take(cut))
        pieces.update(outcomes.take(cut))
        merged.merge(part)
    merged.merge(make())
    same(pieces.value(), whole, "updated in pieces")
    same(merged.value(), whole, "merged from pieces")
    shuffled = np.random.default_rng(1).permutation(len(outcomes))
    same(measure(make, outcomes.take(shuffled)), whole, "in another order")

    counts = np.random.default_rng(2).integers(1, 4, len(outcomes))
    heavy = replace(outcomes, weight=counts.astype(np.float64))
    again = outcomes.take(np.repeat(np.arange(len(outcomes)), counts))
    same(measure(make, heavy), measure(make, again), "a weight of n and the row n times")

    best = example_outcomes(case[0], classes=case[1], perfect=True)
    if tags.truth:
        reached = measure(make, best)
        sign = 1.0 if tags.greater_is_better else -1.0
        _demand(sign * reached >= sign * whole - 1e-9, f"perfect predictions give {reached}, poorer ones {whole}", case)
    unlabelled = measure(make, replace(outcomes, truth=None))
    same(unlabelled, float("nan") if tags.truth else whole, "without labels")
    if hasattr(make(), "reweighted"):
        _check_reweighted(make, outcomes, same)


def _check_reweighted(make: Any, outcomes: Outcomes, same: Any) -> None:
    import numpy as np

    weights = np.random.default_rng(3).integers(0, 3, (4, len(outcomes))).astype(np.float64)
    values = make().reweighted(outcomes)(weights)
    for weight, value in zip(weights, values, strict=True):
        drawn = outcomes.take(np.repeat(np.arange(len(outcomes)), weight.astype(np.int64)))
        same(float(value), measure(make, drawn), "reweighted, and the rows drawn")


def measure(make: Any, outcomes: Outcomes) -> float:
    """The value of a fresh metric on some outcomes."""
    instance = make()
    instance.update(outcomes)
    value: float = instance.value()
    return value


def _demand(held: bool, promise: str, case: tuple[str, int]) -> None:
    if not held:
        raise AssertionError(f"{case[0]} with {case[1]} classes: {promise}")
