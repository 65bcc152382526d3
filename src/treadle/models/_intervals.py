"""Intervals from rows that a model did not learn from: the quantiles of its residuals there, with the correction for
a finite sample (split conformal prediction: Papadopoulos et al. 2002; for quantile models Romano et al. 2019).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from treadle.core.types import Features

if TYPE_CHECKING:
    from treadle.core.types import Array


def residual_quantiles(residuals: Array, levels: Sequence[float]) -> list[float]:
    """For each level what to add to a prediction so that this share of fresh rows lies below it.

    Args:
        residuals: truth minus prediction, on rows not learned from.
        levels: in (0, 1).
    """
    import numpy as np

    if not len(residuals):
        return [0.0 for _ in levels]
    ordered, count = np.sort(residuals), len(residuals)
    found = []
    for level in levels:
        rank = math.ceil((count + 1) * level) if level >= 0.5 else math.floor((count + 1) * level)
        found.append(float(ordered[min(max(rank, 1), count) - 1]))
    return found


def rows_of(features: Features, index: Array) -> Features:
    """Some of the rows, by position."""
    import polars as pl

    return Features(
        {name: replace(block, values=block.values[index]) for name, block in features.blocks.items()},
        features.frame[pl.Series(index)] if features.frame.width else features.frame,
        features.schema,
        None if features.target is None else features.target[index],
        None if features.weight is None else features.weight[index],
    )


def held_out(train: Features, share: float, seed: int) -> tuple[Features, Features]:
    """The training rows in two: those to learn from, and a random ``share`` to calibrate on (one row at least)."""
    import numpy as np

    order = np.random.default_rng(seed).permutation(train.rows)
    cut = max(1, round(train.rows * share)) if train.rows > 1 else 0
    return rows_of(train, np.sort(order[cut:])), rows_of(train, np.sort(order[:cut]))


def out_of_fold(
    matrix: Array, target: Array, weight: Array | None, folds: int, seed: int, fit: Callable[..., Callable[..., Array]]
) -> Array:
    """Predictions for every row by a model that did not see it.

    Args:
        matrix, target, weight: the training rows.
        folds: how many parts; each is predicted by a model of the others.
        seed: of the random parts.
        fit: takes matrix, target and weight, returns a function from a matrix to predictions.
    """
    import numpy as np

    part = np.random.default_rng(seed).permutation(len(matrix)) % max(2, folds)
    found: Array | None = None
    for fold in range(max(2, folds)):
        inside, outside = part != fold, part == fold
        if not outside.any() or not inside.any():
            continue
        predict = fit(matrix[inside], target[inside], None if weight is None else weight[inside])
        answer = predict(matrix[outside])
        if found is None:
            found = np.zeros((len(matrix), *answer.shape[1:]))
        found[outside] = answer
    return np.zeros(len(matrix)) if found is None else found
