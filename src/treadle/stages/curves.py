"""The points behind the plots of a report, few enough to lie in a JSON file.

classes    roc, precision_recall   {label: {x, y, threshold}}, one entry for two classes, else one a class
           calibration             {label: {predicted, observed, low, high, rows}}; `top` for more than two classes
           threshold               {threshold, precision, recall, f1, selected[, cost], chosen}   (two classes)
           scores                  {edges, counts: {label: [...]}, label} of that label's probability (two classes)
numbers    residuals               {actual, predicted} of some rows, {edges, counts} of truth minus prediction,
                                   bins: [{low, high, rows, bias, error}] by predicted value
anomalies  scores                  {edges, counts: {...}}
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from treadle.core.types import Outcomes
from treadle.spec.evaluate import Cost

if TYPE_CHECKING:
    from treadle.core.types import Array

POINTS = 200
CLASSES = 10
BINS = 10
SAMPLE = 500
BARS = 40


def curves_of(outcomes: Outcomes, *, threshold: float = 0.5, cost: Cost | None = None) -> dict[str, Any]:
    """All curves that make sense for these outcomes; without truth, only the histogram of scores."""
    if outcomes.task == "anomaly":
        return _anomaly_scores(outcomes)
    if outcomes.truth is None or not len(outcomes):
        return {}
    if outcomes.task == "regression":
        return {"residuals": residuals(outcomes)}
    if outcomes.task != "classification" or outcomes.probability is None:
        return {}
    found: dict[str, Any] = {"roc": {}, "precision_recall": {}}
    codes = [1] if len(outcomes.classes) == 2 else list(range(len(outcomes.classes)))[:CLASSES]
    for code in codes:
        true = outcomes.truth == code
        if 0 < true.sum() < len(true):
            roc, precision = ranking(true, outcomes.probability[:, code])
            found["roc"][outcomes.classes[code]] = roc
            found["precision_recall"][outcomes.classes[code]] = precision
    found["calibration"] = calibration(outcomes)
    if len(outcomes.classes) == 2:
        found["threshold"] = by_threshold(outcomes, threshold, cost)
        found["scores"] = _class_scores(outcomes)
    return found


def ranking(true: Array, score: Array) -> tuple[dict[str, Any], dict[str, Any]]:
    """ROC curve (false against true positive rate) and precision-recall curve (recall against precision)."""
    import numpy as np

    order = np.argsort(-score, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(score[order])), len(score) - 1)
    hits = np.cumsum(true[order])[ends]
    said = ends + 1.0
    positives, negatives = true.sum(), (~true).sum()
    recall, false = hits / positives, (said - hits) / negatives
    roc = _thinned(np.append(0.0, false), np.append(0.0, recall), np.append(np.inf, score[order][ends]))
    precision = _thinned(recall, hits / said, score[order][ends])
    return roc, precision


def _thinned(x: Array, y: Array, threshold: Array) -> dict[str, Any]:
    """At most 200 points, evenly along the curve's own length, both ends kept."""
    import numpy as np

    if len(x) > POINTS:
        along = np.append(0.0, np.cumsum(np.abs(np.diff(x)) + np.abs(np.diff(y))))
        places = np.searchsorted(along, np.linspace(0.0, along[-1], POINTS))
        places = np.unique(np.concatenate([[0], places, [len(x) - 1]]).clip(0, len(x) - 1))
        x, y, threshold = x[places], y[places], threshold[places]
    return {"x": _plain(x), "y": _plain(y), "threshold": _plain(threshold)}


def calibration(outcomes: Outcomes) -> dict[str, Any]:
    """Mean predicted probability against the share that came true, in ten bins of equal numbers of rows.

    Two classes: of the last one. More: of the most probable class, under the label ``top``. The bounds are Wilson's
    95 % interval of each share.
    """
    import numpy as np

    probability, truth = outcomes.probability, outcomes.truth
    if probability is None or truth is None:
        return {}
    if probability.shape[1] == 2:
        label, promised, came = outcomes.classes[1], probability[:, 1], truth == 1
    else:
        label, promised, came = "top", probability.max(axis=1), probability.argmax(axis=1) == truth
    edges = np.unique(np.quantile(promised, np.linspace(0.0, 1.0, BINS + 1)[1:-1]))
    place = np.searchsorted(edges, promised, side="right")
    size = len(edges) + 1
    rows = np.bincount(place, minlength=size)
    there = rows > 0
    predicted = np.bincount(place, promised, minlength=size)[there] / rows[there]
    observed = np.bincount(place, came, minlength=size)[there] / rows[there]
    low, high = wilson(observed, rows[there])
    return {
        label: {
            "predicted": _plain(predicted),
            "observed": _plain(observed),
            "low": _plain(low),
            "high": _plain(high),
            "rows": rows[there].tolist(),
        }
    }


def wilson(share: Array, rows: Array) -> tuple[Array, Array]:
    """The 95 % interval of a share (Wilson 1927)."""
    import numpy as np

    z = 1.959964
    middle = (share + z * z / (2 * rows)) / (1 + z * z / rows)
    half = z * np.sqrt(share * (1 - share) / rows + z * z / (4 * rows**2)) / (1 + z * z / rows)
    return np.maximum(middle - half, 0.0), np.minimum(middle + half, 1.0)


def by_threshold(outcomes: Outcomes, chosen: float, cost: Cost | None) -> dict[str, Any]:
    """Precision, recall, F1, share selected, and the mean cost of a row, by decision threshold."""
    import numpy as np

    if outcomes.probability is None or outcomes.truth is None:
        return {}
    true = outcomes.truth == 1
    score = outcomes.probability[:, 1]
    limits = np.unique(np.append(np.linspace(0.0, 1.0, 101), chosen))
    ordered, positive = np.sort(score), np.sort(score[true])
    said = len(score) - np.searchsorted(ordered, limits, side="left")
    hit = len(positive) - np.searchsorted(positive, limits, side="left")
    missed, false = len(positive) - hit, said - hit
    found = {
        "threshold": _plain(limits),
        "precision": _plain(np.divide(hit, said, out=np.full(len(limits), np.nan), where=said > 0)),
        "recall": _plain(hit / max(1, len(positive))),
        "f1": _plain(2.0 * hit / np.maximum(said + len(positive), 1)),
        "selected": _plain(said / len(score)),
        "chosen": chosen,
    }
    if cost is not None:
        found["cost"] = _plain((cost.false_positive * false + cost.false_negative * missed) / len(score))
    return found


def residuals(outcomes: Outcomes) -> dict[str, Any]:
    """Actual against predicted of at most 500 rows, the histogram of the errors, bias and size by predicted value."""
    import numpy as np

    actual = np.asarray(outcomes.truth, dtype=np.float64)
    predicted = np.asarray(outcomes.prediction, dtype=np.float64)
    good = np.isfinite(actual) & np.isfinite(predicted)
    actual, predicted = actual[good], predicted[good]
    if not len(actual):
        return {}
    error = actual - predicted
    some = np.linspace(0, len(actual) - 1, min(SAMPLE, len(actual))).astype(np.int64)
    low, high = np.quantile(error, [0.005, 0.995])
    counts, edges = np.histogram(error.clip(low, high), bins=BARS)
    cuts = np.unique(np.quantile(predicted, np.linspace(0.0, 1.0, BINS + 1)))
    place = np.searchsorted(cuts[1:-1], predicted, side="right")
    bins = []
    for number in range(max(1, len(cuts) - 1)):
        inside = place == number
        if inside.any():
            bins.append(
                {
                    "low": float(predicted[inside].min()),
                    "high": float(predicted[inside].max()),
                    "rows": int(inside.sum()),
                    "bias": float(error[inside].mean()),
                    "error": float(np.abs(error[inside]).mean()),
                }
            )
    return {
        "actual": _plain(actual[some]),
        "predicted": _plain(predicted[some]),
        "edges": _plain(edges),
        "counts": counts.tolist(),
        "bins": bins,
    }


def _class_scores(outcomes: Outcomes) -> dict[str, Any]:
    import numpy as np

    if outcomes.probability is None:
        return {}
    edges = np.linspace(0.0, 1.0, BARS // 2 + 1)
    score = outcomes.probability[:, 1]
    counts = {
        label: np.histogram(score[outcomes.truth == code], bins=edges)[0].tolist()
        for code, label in enumerate(outcomes.classes)
    }
    return {"edges": _plain(edges), "counts": counts, "label": outcomes.classes[1]}


def _anomaly_scores(outcomes: Outcomes) -> dict[str, Any]:
    import numpy as np

    score = np.asarray(outcomes.extra.get("score", ()), dtype=np.float64)
    score = score[np.isfinite(score)]
    if not len(score):
        return {}
    counts, edges = np.histogram(score, bins=BARS)
    return {"scores": {"edges": _plain(edges), "counts": {"all": counts.tolist()}}}


def _plain(values: Array) -> list[float | None]:
    """As JSON can hold it: six digits, None for what is not finite."""
    return [float(f"{value:.6g}") if math.isfinite(value) else None for value in values.tolist()]
