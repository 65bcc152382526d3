"""Greedy ensemble selection with replacement (Caruana et al. 2004, "Ensemble selection from libraries of models")."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from treadle.core import registry
from treadle.core.types import Context, Outcomes

if TYPE_CHECKING:
    from treadle.core.types import Array

ROUNDS = 40
PATIENCE = 8
ROWS = 30_000
SMALLEST = 0.04


def loss_of(context: Context, metric: str, truth: Array, weight: Array | None) -> Callable[[Array], float]:
    """A function from predictions, (rows, classes) or (rows, 1), to a loss: smaller is better.

    Metrics that only read the decision jump in steps, which makes a greedy search stop at noise; a hundredth of the
    log loss breaks their ties.
    """
    import numpy as np

    component = registry.load("metrics", metric)
    sign = -1.0 if component.tags.greater_is_better else 1.0

    def loss(output: Array) -> float:
        if context.task == "classification":
            total = output / np.maximum(output.sum(axis=1, keepdims=True), 1e-12)
            labels = tuple(map(str, range(context.classes)))
            outcomes = Outcomes(context.task, truth, total.argmax(axis=1), total, labels, weight=weight)
        else:
            outcomes = Outcomes(context.task, truth, output[:, 0], weight=weight)
        instance = component()
        instance.update(outcomes)
        value = sign * float(instance.value())
        if context.task == "classification" and component.tags.reads == "prediction":
            picked = np.clip(total[np.arange(len(truth)), truth], 1e-12, 1.0)
            value += 0.01 * float(np.average(-np.log(picked), weights=weight))
        return value if value == value else float("inf")

    return loss


def greedy_weights(
    outputs: Sequence[Array], truth: Array, weight: Array | None, context: Context, metric: str, members: int
) -> tuple[list[float], float]:
    """Weights that sum to 1 (most of them 0), and the metric's value of the blend.

    Args:
        outputs: one array a candidate, (rows, classes) or (rows, 1), for the same held-out rows.
        truth, weight: of those rows.
        context: task, classes and seed.
        metric: to make good.
        members: candidates with a weight at most.
    """
    import numpy as np

    rows = len(truth)
    if rows > ROWS:
        index = np.random.default_rng(context.seed).choice(rows, ROWS, replace=False)
        outputs = [output[index] for output in outputs]
        truth, weight = truth[index], None if weight is None else weight[index]
    loss = loss_of(context, metric, truth, weight)
    singles = [loss(output) for output in outputs]
    first = int(np.argmin(singles))
    counts = np.zeros(len(outputs))
    counts[first] = 1
    total = outputs[first].copy()
    best, best_counts, waited = singles[first], counts.copy(), 0
    for size in range(2, ROUNDS + 2):
        full = np.count_nonzero(counts) >= members
        trials = [
            loss((total + output) / size) if not full or counts[number] else float("inf")
            for number, output in enumerate(outputs)
        ]
        pick = int(np.argmin(trials))
        counts[pick] += 1
        total += outputs[pick]
        if trials[pick] < best - 1e-9:
            best, best_counts, waited = trials[pick], counts.copy(), 0
        else:
            waited += 1
            if waited >= PATIENCE:
                break
    weights = best_counts / best_counts.sum()
    sign = -1.0 if registry.load("metrics", metric).tags.greater_is_better else 1.0
    return [float(value) for value in weights], sign * best


def prune(weights: Sequence[float]) -> list[float]:
    """Without members that hardly count: each costs time in serving."""
    kept = [value if value >= SMALLEST else 0.0 for value in weights]
    return [value / sum(kept) for value in kept]
