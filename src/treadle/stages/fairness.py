"""What the model does to each group of a sensitive column, and how far the groups are apart.

Differences and ratios are those of fairlearn (Bird et al. 2020), with one exception: a rate that a group does not have,
for it holds no such row, takes no part, where fairlearn counts it as 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from treadle.core.jsonable import encode
from treadle.core.types import Metered, Outcomes
from treadle.stages.bootstrap import affordable, interval, resamples
from treadle.stages.slices import Parts, parts_of

if TYPE_CHECKING:
    import polars as pl

    from treadle.core.types import Array

GROUPS = 30
RATIOS = ("demographic_parity_ratio", "equalized_odds_ratio", "equal_opportunity_ratio")


def fairness_of(outcomes: Outcomes, column: pl.Series, *, count: int, seed: int = 0) -> dict[str, Any]:
    """Rates by group, and the measures of their distance with 95 % intervals.

    Args:
        outcomes: of the rows, classification or regression, truth included.
        column: of the same rows; missing values are a group of their own.
        count: resamples.
        seed: of the resamples.

    Returns:
        ``groups`` (by label: ``rows`` and the rates), then each measure as ``{"value", "low", "high"}``. Two classes:
        the rates are those of the last. More: each class against the rest; the worst class makes the measure.
    """
    import numpy as np

    parts = parts_of(column, values=GROUPS)
    statistics, measures = (_rates if outcomes.task == "classification" else _errors)(outcomes, parts)
    weight = np.ones(len(outcomes)) if outcomes.weight is None else np.asarray(outcomes.weight, dtype=np.float64)
    by_group, plain = measures(weight[None, :] @ statistics)
    drawn: dict[str, list[Array]] = {name: [] for name in plain}
    for weights in resamples(len(outcomes), affordable(len(outcomes), count), seed):
        for name, values in measures((weights * weight) @ statistics)[1].items():
            drawn[name].append(values)
    found: dict[str, Any] = {"groups": _table(parts, by_group)}
    for name, values in plain.items():
        value = float(values[0])
        bounds: tuple[float | None, float | None] = (None, None)
        if drawn[name]:
            high = 1.0 if outcomes.task == "classification" else None
            bounds = interval(value, np.concatenate(drawn[name]), 0.0, high)
        found[name] = encode(Metered(value, *bounds))
    return found


def _table(parts: Parts, by_group: Mapping[str, Array]) -> dict[str, Any]:
    import numpy as np

    rows = np.bincount(parts.codes[parts.codes >= 0], minlength=len(parts.labels))
    return {
        label: {"rows": int(rows[code]), **{name: encode(float(rate[0, code])) for name, rate in by_group.items()}}
        for code, label in enumerate(parts.labels)
        if rows[code]
    }


def _onehot(parts: Parts, values: Array) -> Array:
    """(rows, groups) with each row's value in the column of its group."""
    import numpy as np

    table = np.zeros((len(values), len(parts.labels) + 1))
    table[np.arange(len(values)), parts.codes] = values
    return table[:, : len(parts.labels)]


def _rates(outcomes: Outcomes, parts: Parts) -> tuple[Array, Any]:
    """Row statistics, and what is made of their sums, for classes."""
    import numpy as np

    truth, prediction = np.asarray(outcomes.truth), outcomes.prediction
    codes = [1] if len(outcomes.classes) == 2 else range(len(outcomes.classes))
    tables = [_onehot(parts, np.ones(len(outcomes))), _onehot(parts, prediction == truth)]
    for code in codes:
        said, true = prediction == code, truth == code
        tables += [_onehot(parts, said), _onehot(parts, true), _onehot(parts, said & true)]
    width = len(parts.labels)

    def measures(sums: Array) -> tuple[dict[str, Array], dict[str, Array]]:
        cut = sums.reshape(len(sums), len(tables), width)
        rows, right = cut[:, 0], cut[:, 1]
        accuracy = _share(right, rows)
        worst: dict[str, list[Array]] = {}
        by_group: dict[str, Array] = {"accuracy": accuracy}
        for place in range(2, len(tables), 3):
            said, true, both = cut[:, place], cut[:, place + 1], cut[:, place + 2]
            chosen, hit, false = _share(said, rows), _share(both, true), _share(said - both, rows - true)
            if len(tables) == 5:
                by_group |= {"selection_rate": chosen, "true_positive_rate": hit, "false_positive_rate": false}
            worst.setdefault("demographic_parity_difference", []).append(_apart(chosen))
            worst.setdefault("demographic_parity_ratio", []).append(_ratio(chosen))
            worst.setdefault("equalized_odds_difference", []).append(np.fmax(_apart(hit), _apart(false)))
            worst.setdefault("equalized_odds_ratio", []).append(np.fmin(_ratio(hit), _ratio(false)))
            worst.setdefault("equal_opportunity_difference", []).append(_apart(hit))
            worst.setdefault("equal_opportunity_ratio", []).append(_ratio(hit))
        found = {
            name: (np.fmin if name in RATIOS else np.fmax).reduce(values, axis=0) for name, values in worst.items()
        }
        return by_group, {**found, "accuracy_difference": _apart(accuracy)}

    return np.concatenate(tables, axis=1), measures


def _errors(outcomes: Outcomes, parts: Parts) -> tuple[Array, Any]:
    """Row statistics, and what is made of their sums, for numbers."""
    import numpy as np

    error = np.asarray(outcomes.prediction - outcomes.truth, dtype=np.float64)
    tables = [_onehot(parts, values) for values in (np.ones(len(outcomes)), error, np.abs(error))]

    def measures(sums: Array) -> tuple[dict[str, Array], dict[str, Array]]:
        rows, signed, size = sums.reshape(len(sums), 3, len(parts.labels)).transpose(1, 0, 2)
        by_group = {"mean_error": _share(signed, rows), "mean_absolute_error": _share(size, rows)}
        return by_group, {f"{name}_difference": _apart(values) for name, values in by_group.items()}

    return np.concatenate(tables, axis=1), measures


def _share(part: Array, whole: Array) -> Array:
    import numpy as np

    return np.asarray(np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0))


def _apart(rate: Array) -> Array:
    """Largest minus smallest, over the groups that have the rate."""
    import numpy as np

    return np.asarray(np.fmax.reduce(rate, axis=-1) - np.fmin.reduce(rate, axis=-1))


def _ratio(rate: Array) -> Array:
    """Smallest over largest, over the groups that have the rate; NaN where all are 0."""
    import numpy as np

    return _share(np.asarray(np.fmin.reduce(rate, axis=-1)), np.asarray(np.fmax.reduce(rate, axis=-1)))
