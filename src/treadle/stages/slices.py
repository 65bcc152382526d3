"""The metrics of some of the rows: of columns that the user names, and of the rules under which the model is worst."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from treadle.core.types import Outcomes
from treadle.stages.bootstrap import FEWEST, metered
from treadle.stages.values import Slice

if TYPE_CHECKING:
    import polars as pl

    from treadle.core.types import Array

VALUES, BINS = 20, 4
LEAST_ROWS, LEAST_SHARE = 30, 0.01
SEARCHED, ATOMS, SHOWN = 20_000, 150, 5
RESAMPLES, WORK = 200, 5_000_000
ALPHA = 0.05


@dataclass(frozen=True)
class Parts:
    """A column cut into parts.

    Attributes:
        column: its name.
        labels: of the parts: a value, a span, or ``missing``.
        rules: the same as a person would write them: ``sex = Female``, ``28 <= age < 37``, ``job is missing``.
        codes: for each row the position of its part, -1 for a rare value that has none.
    """

    column: str
    labels: tuple[str, ...]
    rules: tuple[str, ...]
    codes: Array


def parts_of(column: pl.Series, *, values: int = VALUES, bins: int = BINS) -> Parts:
    """Cut a column: numbers and times with more than ``values`` distinct values at quantiles, all else by value.

    Args:
        column: of any type.
        values: so many of the most frequent values at most.
        bins: number of spans.
    """
    import polars as pl

    name = column.name
    if (column.dtype.is_numeric() or column.dtype.is_temporal()) and column.n_unique() > values:
        return _spans(column, bins)
    from treadle.core.labels import label_text

    text = label_text(column)
    counts = text.drop_nulls().rename("value").value_counts()
    kept = counts.sort(["count", "value"], descending=[True, False])["value"].head(values).to_list()
    codes = text.replace_strict({value: code for code, value in enumerate(kept)}, default=-1, return_dtype=pl.Int64)
    labels = [str(value) for value in kept]
    rules = [f"{name} = {value}" for value in kept]
    return _with_missing(name, labels, rules, codes, column.is_null())


def _spans(column: pl.Series, bins: int) -> Parts:
    import numpy as np
    import polars as pl

    name = column.name
    clean = column.fill_nan(None) if column.dtype.is_float() else column
    present = clean.drop_nulls().sort()
    places = [round(len(present) * step / bins) for step in range(1, bins)]
    edges = present.gather([min(place, len(present) - 1) for place in places]).unique().sort()
    edges = edges.filter(edges > present[0])
    codes = np.zeros(len(clean), dtype=np.int64)
    for edge in edges:
        codes += (clean >= edge).fill_null(False).to_numpy()
    shown = [_short(edge) for edge in edges]
    if not shown:
        return _with_missing(name, ["present"], [f"{name} is present"], pl.Series(codes), clean.is_null())
    pairs = list(itertools.pairwise(shown))
    rules = [f"{name} < {shown[0]}", *(f"{low} <= {name} < {high}" for low, high in pairs), f"{name} >= {shown[-1]}"]
    labels = [f"< {shown[0]}", *(f"{low} to {high}" for low, high in pairs), f">= {shown[-1]}"]
    return _with_missing(name, labels, rules, pl.Series(codes), clean.is_null())


def _short(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _with_missing(name: str, labels: list[str], rules: list[str], codes: pl.Series, missing: pl.Series) -> Parts:
    import numpy as np

    found = codes.to_numpy().astype(np.int64)
    if missing.any():
        found = np.where(missing.to_numpy(), len(rules), found)
        labels, rules = [*labels, "missing"], [*rules, f"{name} is missing"]
    return Parts(name, tuple(labels), tuple(rules), found)


def loss_of(outcomes: Outcomes) -> Array | None:
    """How wrong each row is: squared error of the probabilities, 0 or 1 without them, or the absolute error.

    Bounded for classes, so that a mean over some tens of rows is close to normal. None where there is no truth.
    """
    import numpy as np

    if outcomes.truth is None or outcomes.task not in ("classification", "regression"):
        return None
    if outcomes.task == "regression":
        return np.asarray(np.abs(outcomes.prediction - outcomes.truth), dtype=np.float64)
    if outcomes.probability is None:
        return np.asarray(outcomes.prediction != outcomes.truth, dtype=np.float64)
    error = np.array(outcomes.probability, dtype=np.float64)
    error[np.arange(len(outcomes)), outcomes.truth] -= 1.0
    return np.asarray((error**2).sum(axis=1))


def given_slices(
    outcomes: Outcomes, columns: Sequence[pl.Series], names: Sequence[str], *, count: int, seed: int = 0
) -> list[Slice]:
    """Every part of every given column, with its metrics and the chance of such a difference if there were none.

    Args:
        outcomes: of the rows.
        columns: of the same rows.
        names: of metrics.
        count: resamples; 200 at most are used, and fewer for many rows.
        seed: of the resamples.
    """
    import numpy as np

    loss = loss_of(outcomes)
    masks, rules = [], []
    for column in columns:
        parts = parts_of(column)
        for code, rule in enumerate(parts.rules):
            mask = parts.codes == code
            if mask.any():
                masks.append(mask)
                rules.append((rule, column.name))
    statistics = [_welch(loss, mask) for mask in masks] if loss is not None else [(None, 1.0)] * len(masks)
    adjusted = benjamini_hochberg(np.array([two_sided(z) if gap is not None else 1.0 for gap, z in statistics]))
    count = _affordable(count, sum(int(mask.sum()) for mask in masks))
    found = []
    for (rule, touched), mask, (gap, _), p_value in zip(rules, masks, statistics, adjusted, strict=True):
        figures = metered(outcomes.take(mask), names, count=count, seed=seed)
        found.append(
            Slice(rule, (touched,), int(mask.sum()), figures, "given", gap, None if gap is None else float(p_value))
        )
    return found


def worst_slices(
    outcomes: Outcomes, columns: Sequence[pl.Series], names: Sequence[str], *, count: int, seed: int = 0
) -> list[Slice]:
    """The rules of one or two columns under which the model is wrong most, five at most.

    All rules that hold for at least 30 rows and 1 % are tried, after Chung et al. 2019 (Slice Finder): Welch's test
    of the rows' loss against all other rows, p-values adjusted over all that was tried (Benjamini and Hochberg 1995).
    Rules are ordered by the lower bound of the difference, so a small slice has to be much worse to be shown. When
    none is significant, the first is shown with the p-value that says so. More than 20,000 rows are searched by sample.
    """
    import numpy as np

    loss = loss_of(outcomes)
    least = max(LEAST_ROWS, math.ceil(LEAST_SHARE * len(outcomes)))
    if loss is None or len(loss) < 2 * least or not np.isfinite(loss).all() or loss.std() == 0:
        return []
    rows = np.arange(len(loss))
    if len(loss) > SEARCHED:
        rows = np.sort(np.random.default_rng(seed).choice(len(loss), SEARCHED, replace=False))
    every = [parts_of(column) for column in columns]
    count = _affordable(count, len(loss))
    found = []
    for rule in _search(every, loss, rows, max(LEAST_ROWS, math.ceil(LEAST_SHARE * len(rows)))):
        mask = np.logical_and.reduce([every[place].codes == code for place, code in rule.atoms])
        gap, _ = _welch(loss, mask)
        text = " and ".join(every[place].rules[code] for place, code in rule.atoms)
        touched = tuple(every[place].column for place, _ in rule.atoms)
        figures = metered(outcomes.take(mask), names, count=count, seed=seed)
        found.append(Slice(text, touched, int(mask.sum()), figures, "worst", gap, rule.p_value))
    return found


def _affordable(count: int, rows: int) -> int:
    """Resamples for slices of so many rows together: fewer than for the whole, they are many."""
    return min(count, RESAMPLES, max(FEWEST, WORK // max(1, rows)))


@dataclass(frozen=True)
class _Rule:
    """One or two (column, part) that hold at once."""

    atoms: tuple[tuple[int, int], ...]
    p_value: float


def _search(every: Sequence[Parts], loss: Array, rows: Array, least: int) -> list[_Rule]:
    import numpy as np

    scaled = ((loss - loss.mean()) / loss.std())[rows].astype(np.float32)
    codes = [parts.codes[rows] for parts in every]
    atoms = [
        (place, code)
        for place, parts in enumerate(every)
        for code in range(len(parts.rules))
        if least <= (codes[place] == code).sum() <= len(rows) - least
    ]
    if not atoms:
        return []
    masks = np.stack([codes[place] == code for place, code in atoms], axis=1)
    if len(atoms) > ATOMS:
        _, single, _ = _tests(masks.sum(axis=0), scaled @ masks, (scaled**2) @ masks, scaled)
        best = np.sort(np.argsort(-single)[:ATOMS])
        atoms, masks = [atoms[place] for place in best], masks[:, best]
    table = masks.astype(np.float32)
    sizes = table.T @ table
    gap, z, low = _tests(sizes, (table * scaled[:, None]).T @ table, (table * scaled[:, None] ** 2).T @ table, scaled)
    first, second = np.triu_indices(len(atoms))
    column = np.array([place for place, _ in atoms])
    fits = (sizes[first, second] >= least) & ((column[first] != column[second]) | (first == second))
    first, second = first[fits], second[fits]
    adjusted = benjamini_hochberg(np.array([one_sided(value) for value in z[first, second]]))
    alone = np.diag(gap)
    # Two conditions are worth their words only when they are clearly worse than either alone.
    plain = (first == second) | (gap[first, second] > 1.1 * np.maximum(alone[first], alone[second]))
    order = np.argsort(-np.where(plain, low[first, second], -np.inf), kind="stable")
    chosen: list[_Rule] = []
    taken: list[Array] = []
    for place in order:
        one, other = first[place], second[place]
        if not plain[place] or gap[one, other] <= 0 or (chosen and adjusted[place] >= ALPHA) or len(chosen) == SHOWN:
            break
        mask = masks[:, one] & masks[:, other]
        # Part of what is shown already, or around it, says little new.
        if all((mask & old).sum() <= 0.7 * min(mask.sum(), old.sum()) for old in taken):
            pair = (atoms[one],) if one == other else (atoms[one], atoms[other])
            chosen.append(_Rule(pair, float(adjusted[place])))
            taken.append(mask)
    return chosen


def _tests(sizes: Array, sums: Array, squares: Array, loss: Array) -> tuple[Array, Array, Array]:
    """For many slices at once: difference of means to the rest, its z value, its lower 95 % bound."""
    import numpy as np

    count, total, square = len(loss), float(loss.sum()), float((loss**2).sum())
    sizes = np.asarray(sizes, dtype=np.float64)
    inside, outside = np.maximum(sizes, 1.0), np.maximum(count - sizes, 1.0)
    mean, rest = sums / inside, (total - sums) / outside
    spread = np.maximum(squares / inside - mean**2, 0.0) / inside
    spread += np.maximum((square - squares) / outside - rest**2, 0.0) / outside
    error = np.sqrt(np.maximum(spread, 1e-12))
    gap = mean - rest
    return gap, gap / error, gap - 1.96 * error


def _welch(loss: Array, mask: Array) -> tuple[float | None, float]:
    """Difference of the mean loss inside and outside, and its z value; (None, 0) without both sides."""
    inside, outside = loss[mask], loss[~mask]
    if len(inside) < 2 or len(outside) < 2:
        return None, 0.0
    gap = float(inside.mean() - outside.mean())
    error = math.sqrt(inside.var(ddof=1) / len(inside) + outside.var(ddof=1) / len(outside))
    return gap, gap / error if error else (0.0 if not gap else math.copysign(math.inf, gap))


def one_sided(z: float) -> float:
    """P(a standard normal number is above ``z``)."""
    return 0.5 * math.erfc(z / math.sqrt(2.0))


def two_sided(z: float) -> float:
    """P(a standard normal number is farther from 0 than ``z``)."""
    return math.erfc(abs(z) / math.sqrt(2.0))


def benjamini_hochberg(p_values: Array) -> Array:
    """Adjusted p-values: those below a level are false in at most that share, on average."""
    import numpy as np

    count = len(p_values)
    if not count:
        return p_values
    order = np.argsort(p_values)
    scaled = p_values[order] * count / np.arange(1, count + 1)
    adjusted = np.empty(count)
    adjusted[order] = np.minimum(np.minimum.accumulate(scaled[::-1])[::-1], 1.0)
    return adjusted
