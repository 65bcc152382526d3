"""Columns that know too much, labels that look wrong, and columns that have moved: cheap statistics on binned columns.

A column is cut into 32 bins at its quantiles (a category: its 200 most frequent values), so that everything below is
counting.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from treadle.core.errors import listing
from treadle.core.labels import classes_of, label_text
from treadle.core.types import Field
from treadle.stages.values import Finding

if TYPE_CHECKING:
    import polars as pl

    from treadle.core.types import Array

BINS = 32
TOP = 200
ENOUGH = 100
CLASSES = 20
NOISE_ROWS = 6_000
UNLIKELY = (0.02, 0.05, 0.1)
ROUNDS, RATE, FOLDS = 12, 0.3, 3
SHOWN = 10
LEAK_AUC, LEAK_GAIN = 0.985, 0.95
MOVED = 0.25


def inspect(known: pl.DataFrame, features: Sequence[Field], target: str, task: str) -> Iterator[Finding]:
    """Leakage, and labels that look wrong.

    Args:
        known: rows with a label, with their numbers in the column ``row number``.
        features: columns to look at.
        target, task: what is predicted.
    """
    import numpy as np

    if known.height < ENOUGH or not features:
        return
    order = np.random.default_rng(0).permutation(known.height)
    known = known[order]
    bins = [binned(known[item.name], item) for item in features]
    if task == "regression":
        values = known[target].cast(float).to_numpy()
        yield from _leaks_values(bins, features, values, target)
        return
    classes = classes_of(known[target])
    if not 2 <= len(classes) <= CLASSES:
        return
    text = label_text(known[target])
    codes = text.replace_strict({label: code for code, label in enumerate(classes)}, return_dtype=int).to_numpy()  # type: ignore[arg-type]
    suspicious = list(_leaks_classes(bins, features, codes, target, len(classes)))
    yield from suspicious
    if not suspicious:
        yield from _noise(known, bins, codes, classes, target)


def binned(column: pl.Series, item: Field) -> Array:
    """Small codes: the bin of a number or a time, the rank of a category; missing values have code 0, rare ones share
    the last."""
    import numpy as np
    import polars as pl

    if column.dtype.is_temporal():
        column = column.to_physical()
    if column.dtype.is_numeric() or column.dtype == pl.Boolean:
        values = column.cast(pl.Float64).to_numpy()
        present = values[~np.isnan(values)]
        if not len(present):
            return np.zeros(len(values), dtype=np.int64)
        edges = np.unique(np.quantile(present, np.linspace(0, 1, BINS + 1)[1:-1]))
        return np.where(np.isnan(values), 0, 1 + np.searchsorted(edges, values, side="right"))
    text = column.cast(pl.String, strict=False)
    table = text.drop_nulls().alias("value").value_counts().sort(["count", "value"], descending=[True, False])
    ranks = {value: rank + 1 for rank, value in enumerate(table["value"].head(TOP).to_list())}
    if not ranks:
        return np.zeros(len(text), dtype=np.int64)
    codes = text.replace_strict(ranks, default=len(ranks) + 1, return_dtype=pl.Int64)
    return codes.set(text.is_null(), 0).to_numpy()


def _leaks_classes(
    bins: list[Array], features: Sequence[Field], codes: Array, target: str, classes: int
) -> Iterator[Finding]:
    """Columns that alone tell the class of rows that were not counted."""
    import numpy as np

    half = len(codes) // 2
    learn, judge = codes[:half], codes[half:]
    prior = np.bincount(learn, minlength=classes) + 1.0
    prior /= prior.sum()
    usual = float((judge == prior.argmax()).mean())
    if np.bincount(judge, minlength=classes).min() < 5 and classes == 2:
        return
    for column, item in zip(bins, features, strict=True):
        width = int(column.max()) + 1
        table = np.bincount(column[:half] * classes + learn, minlength=width * classes).reshape(width, classes)
        share = (table + 2.0 * prior) / (table.sum(axis=1, keepdims=True) + 2.0)
        seen = share[column[half:]]
        gain = (float((seen.argmax(axis=1) == judge).mean()) - usual) / max(1e-9, 1 - usual)
        area = _area(judge == 1, seen[:, 1]) if classes == 2 else 0.0
        if area >= LEAK_AUC or gain >= LEAK_GAIN:
            evidence = f"ROC AUC {area:.3f}" if classes == 2 else f"{gain:.0%} of what the majority class misses"
            yield _leak(item.name, target, evidence, area if classes == 2 else gain)


def _leaks_values(bins: list[Array], features: Sequence[Field], values: Array, target: str) -> Iterator[Finding]:
    import numpy as np

    half = len(values) // 2
    learn, judge = values[:half], values[half:]
    rank_learn, rank_judge = _ranks(learn), _ranks(judge)
    spread = float(((rank_judge - rank_judge.mean()) ** 2).sum())
    if not spread:
        return
    for column, item in zip(bins, features, strict=True):
        width = int(column.max()) + 1
        counts = np.bincount(column[:half], minlength=width)
        sums = np.bincount(column[:half], rank_learn, minlength=width)
        means = (sums + rank_learn.mean()) / (counts + 1.0)
        fit = 1 - float(((rank_judge - means[column[half:]]) ** 2).sum()) / spread
        if fit >= LEAK_GAIN:
            yield _leak(item.name, target, f"R2 of the ranks {fit:.3f}", fit)


def _leak(name: str, target: str, evidence: str, value: float) -> Finding:
    text = f"{name!r} alone nearly gives {target!r} ({evidence}): is it known before the target is? If not, drop it"
    return Finding("leakage", "warning", (name,), text, value=value)


def _ranks(values: Array) -> Array:
    """Ranks from 0 to 1, ties in the middle."""
    import numpy as np

    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    middle = np.cumsum(counts) - (counts + 1) / 2
    return np.asarray(middle[inverse] / max(1, len(values)))


def _area(positive: Array, score: Array) -> float:
    """ROC AUC by ranks (Mann and Whitney)."""
    ones = int(positive.sum())
    zeros = len(positive) - ones
    if not ones or not zeros:
        return 0.5
    ranks = _ranks(score) * len(score) + 1
    return float((ranks[positive].sum() - ones * (ones + 1) / 2) / (ones * zeros))


def _noise(
    known: pl.DataFrame, bins: list[Array], codes: Array, classes: Sequence[str], target: str
) -> Iterator[Finding]:
    """Labels that cross-validated probabilities speak against, where there are more of them than chance would have.

    As in confident learning (Northcutt, Jiang and Chuang 2021) the probabilities come from models that did not see the
    row. Hard problems have labels of low probability too, and the probabilities themselves say how many: only an excess
    of four standard deviations over that number is told.
    """
    import numpy as np

    rows = min(len(codes), NOISE_ROWS)
    codes, matrix = codes[:rows], np.stack([column[:rows] for column in bins], axis=1)
    width = len(classes)
    if np.bincount(codes, minlength=width).min() < 3 * FOLDS:
        return
    probability = np.empty((rows, width))
    fold = np.arange(rows) % FOLDS
    for turn in range(FOLDS):
        learn = fold != turn
        probability[~learn] = _additive(matrix[learn], codes[learn], matrix[~learn], width)
    own = probability[np.arange(rows), codes]
    best = (0.0, 0, 0.0, 0.0)
    for limit in UNLIKELY:
        low = np.where(probability < limit, probability, 0.0)
        seen, expected = int((own < limit).sum()), float(low.sum())
        excess = (seen - expected) / np.sqrt(float((low * (1 - low)).sum()) + 1.0)
        best = max(best, (excess, seen, expected, limit))
    excess, seen, expected, limit = best
    if excess < 4.0 or seen < 5:
        return
    worst = np.argsort(own, kind="stable")[:SHOWN]
    numbers = known["row number"].to_numpy()[:rows][worst]
    says, other = classes[codes[worst[0]]], classes[int(probability[worst[0]].argmax())]
    text = (
        f"{seen:,} of {rows:,} labels looked at have a probability below {limit:.0%} given the rest of their rows,"
        f" where {expected:.0f} are to be expected; row {int(numbers[0])} says {says!r}, {other!r} is likelier"
    )
    share = (seen - expected) / rows
    severity = "warning" if share > 0.02 else "note"
    yield Finding("label_noise", severity, (target,), text, seen, tuple(map(int, numbers)), share)


def _additive(matrix: Array, codes: Array, others: Array, classes: int) -> Array:
    """Class probabilities of ``others`` by an additive model of binned columns, boosted with Newton steps (Lou, Caruana
    and Gehrke 2012): milliseconds, and nearly as good as trees on most tables."""
    import numpy as np

    truth = np.eye(classes)[codes]
    start = np.log(truth.mean(axis=0).clip(1e-6))
    scores, found = np.tile(start, (len(codes), 1)), np.tile(start, (len(others), 1))
    wanted = range(classes) if classes > 2 else (1,)
    for _ in range(ROUNDS):
        for position in range(matrix.shape[1]):
            column, other = matrix[:, position], others[:, position]
            width = int(max(column.max(), other.max())) + 1
            share = _softmax(scores)
            for code in wanted:
                gradient = truth[:, code] - share[:, code]
                weight = share[:, code] * (1 - share[:, code])
                step = np.bincount(column, gradient, width) / (np.bincount(column, weight, width) + 1.0)
                step = RATE * step.clip(-4, 4)
                scores[:, code] += step[column]
                found[:, code] += step[other]
    return _softmax(found)


def _softmax(scores: Array) -> Array:
    import numpy as np

    if scores.shape[1] == 2:
        last = 1 / (1 + np.exp((scores[:, 0] - scores[:, 1]).clip(-500, 500)))
        return np.stack([1 - last, last], axis=1)
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def drift(sample: pl.DataFrame, features: Sequence[Field], time: str) -> Iterator[Finding]:
    """Columns whose later half is not as their earlier half: population stability index above 0.25."""
    import numpy as np

    ordered = sample.filter(sample[time].is_not_null()).sort(time)
    half = ordered.height // 2
    if half < ENOUGH:
        return
    moved = []
    for item in features:
        if item.name == time or item.kind == "time":
            continue
        codes = binned(ordered[item.name], item)
        width = int(codes.max()) + 1
        before = np.bincount(codes[:half], minlength=width) + 0.5
        after = np.bincount(codes[half:], minlength=width) + 0.5
        before, after = before / before.sum(), after / after.sum()
        index = float(((after - before) * np.log(after / before)).sum())
        if index > MOVED:
            moved.append((index, item.name))
    if moved:
        moved.sort(reverse=True)
        shown = listing([f"{name} ({index:.2f})" for index, name in moved], 5)
        text = f"the later half of the time has other values than the earlier half: {shown}"
        yield Finding("drift", "note", tuple(name for _, name in moved), text, value=moved[0][0])
