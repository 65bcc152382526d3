"""Whether one run is better than another: their difference on the same rows, tested, rather than two numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from treadle.core import registry
from treadle.core.errors import TreadleError, did_you_mean, listing
from treadle.core.jsonable import decode, read_json
from treadle.core.types import Outcomes
from treadle.stages.bootstrap import ENOUGH, affordable, interval, replicates
from treadle.stages.evaluate import read_outcomes
from treadle.stages.judge import score_of
from treadle.stages.slices import two_sided
from treadle.stages.values import Dataset, Evaluation
from treadle.store.workspace import Workspace

if TYPE_CHECKING:
    from treadle.core.types import Array

RESAMPLES = 2000
ALPHA = 0.05
BETTER, WORSE, UNCLEAR = "better", "worse", "no difference shown"


@dataclass(frozen=True)
class Difference:
    """One metric of two runs on the rows that both were judged on.

    Attributes:
        metric: its name.
        one, two: the values.
        difference: the second minus the first, with its 95 % interval ``low`` to ``high``.
        p_value: of no difference; McNemar's exact test for the accuracy, the paired bootstrap for all else.
        verdict: of the second run: ``better``, ``worse`` or ``no difference shown``.
    """

    metric: str
    one: float
    two: float
    difference: float
    low: float | None
    high: float | None
    p_value: float | None
    verdict: str


@dataclass(frozen=True)
class Comparison:
    """Two runs beside each other.

    Attributes:
        one, two: the runs' ids.
        rows: how many both were judged on.
        metric: the one that decides (the second run's).
        verdict: of the second run, by that metric.
        differences: by metric.
        notes: what to know when reading them.
    """

    one: str
    two: str
    rows: int
    metric: str
    verdict: str
    differences: tuple[Difference, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Judged:
    """What a finished run left behind."""

    run: str
    task: str
    dataset: Dataset
    evaluation: Evaluation
    rows: Array
    outcomes: Outcomes


def compare_runs(workspace: Workspace, one: str, two: str) -> Comparison:
    """Compare two finished runs of a workspace, metric by metric, on the test rows that they share.

    Args:
        workspace: where both ran.
        one, two: ids; differences are the second minus the first.

    Raises:
        TreadleError: no such run, or runs of different data, tasks, targets or classes, or without a common row.
    """
    import numpy as np

    first, second = _read(workspace, one), _read(workspace, two)
    _check(first, second)
    _, here, there = np.intersect1d(first.rows, second.rows, return_indices=True)
    if not len(here):
        raise TreadleError(
            f"{one} and {two} were judged on different rows, none is in both",
            expected="runs with the same split",
            remedy="judge both models on one file: treadle evaluate --data FILE",
        )
    notes = []
    if len(here) < max(len(first.rows), len(second.rows)):
        sizes = f"{len(first.rows):,} and {len(second.rows):,}"
        notes.append(f"the runs were judged on {sizes} rows; only the {len(here):,} that both saw are compared")
    if len(first.outcomes.classes) == 2 and first.outcomes.classes != second.outcomes.classes:
        notes.append(f"{first.outcomes.classes[1]!r} is the positive class for both, as in {one}")
    names = [name for name in second.evaluation.metrics if name in first.evaluation.metrics]
    names = [name for name in names if registry.load("metrics", name).tags.reads != "features"]
    mapped = _same_codes(second.outcomes, first.outcomes.classes)
    differences = compare_outcomes(first.outcomes.take(here), mapped.take(there), names)
    metric = second.evaluation.metric
    deciding = next((item for item in differences if item.metric == metric), None)
    if deciding is None:
        notes.append(f"{metric}, which decides, cannot be compared from the predictions of both runs")
    verdict = UNCLEAR if deciding is None else deciding.verdict
    return Comparison(one, two, len(here), metric, verdict, tuple(differences), tuple(notes))


def compare_outcomes(
    one: Outcomes, two: Outcomes, names: list[str], *, count: int = RESAMPLES, seed: int = 0
) -> list[Difference]:
    """The difference of two predictions of the same rows: both see the same resamples (paired bootstrap).

    Args:
        one, two: row by row of the same truth.
        names: of metrics.
        count: resamples.
        seed: of the resamples.
    """
    count = affordable(len(one), count)
    drawn_one, drawn_two = (replicates(item, names, count, seed) for item in (one, two))
    return [_difference(name, one, two, drawn_two[name] - drawn_one[name]) for name in names]


def _difference(name: str, one: Outcomes, two: Outcomes, drawn: Array) -> Difference:
    before, after = score_of(one, name), score_of(two, name)
    gap = after - before
    low, high = interval(gap, drawn)
    p_value = mcnemar(one, two) if name == "accuracy" and one.weight is None else _p_value(gap, drawn)
    verdict = UNCLEAR
    if p_value is not None and p_value < ALPHA and low is not None and high is not None and not low <= 0.0 <= high:
        verdict = BETTER if (gap > 0) == registry.load("metrics", name).tags.greater_is_better else WORSE
    return Difference(name, before, after, gap, low, high, p_value, verdict)


def _p_value(gap: float, drawn: Array) -> float | None:
    """Two-sided, of a difference of 0: how often the resamples, without their bias, reach the other side of it."""
    import numpy as np

    good = drawn[np.isfinite(drawn)]
    if not math.isfinite(gap) or len(good) < max(2, 0.5 * len(drawn)):
        return None
    if not good.std():
        return 1.0 if gap == 0 else 0.0
    if len(good) < ENOUGH:
        return two_sided(gap / float(good.std(ddof=1)))
    moved = good - good.mean() + gap
    beyond = min(int((moved <= 0).sum()), int((moved >= 0).sum()))
    return min(1.0, 2.0 * (beyond + 1) / (len(good) + 1))


def mcnemar(one: Outcomes, two: Outcomes) -> float:
    """McNemar's exact test (1947): of the rows where just one is right, is either more often the one?"""
    import numpy as np

    right, also = one.prediction == one.truth, two.prediction == two.truth
    only_one, only_two = int((right & ~also).sum()), int((also & ~right).sum())
    count = only_one + only_two
    if not count:
        return 1.0
    ways = np.array(
        [
            math.lgamma(count + 1) - math.lgamma(hits + 1) - math.lgamma(count - hits + 1)
            for hits in range(min(only_one, only_two) + 1)
        ]
    )
    return float(min(1.0, 2.0 * np.exp(ways - count * math.log(2.0)).sum()))


def _read(workspace: Workspace, run: str) -> _Judged:
    import polars as pl

    known = workspace.runs()
    if run not in known:
        raise TreadleError(f"there is no run {run!r}{did_you_mean(run, known)}", expected=f"one of {listing(known)}")
    facts = workspace.facts_of(run)
    folders = {name: workspace.root / place for name, place in facts["folders"].items()}
    evaluation = _value(Evaluation, folders["evaluate"], run)
    try:
        table = pl.read_parquet(folders["evaluate"] / "predictions.parquet")
    except (OSError, pl.exceptions.PolarsError):
        raise _gone(run, folders["evaluate"] / "predictions.parquet") from None
    task = str(facts["task"])
    outcomes = read_outcomes(table, task, evaluation.classes)
    return _Judged(run, task, _value(Dataset, folders["ingest"], run), evaluation, table["row"].to_numpy(), outcomes)


def _value(kind: Any, folder: Path, run: str) -> Any:
    if not (folder / "value.json").is_file():
        raise _gone(run, folder)
    return decode(kind, read_json(folder / "value.json"))


def _gone(run: str, where: Path) -> TreadleError:
    return TreadleError(
        f"what the run {run} left behind is not there any more", where=where,
        remedy="run it again: treadle run, with its spec",
    )  # fmt: skip


def _check(first: _Judged, second: _Judged) -> None:
    """The two can be compared at all."""
    for what, one, two in (
        ("task", first.task, second.task),
        ("target", first.dataset.schema.target, second.dataset.schema.target),
        ("data", first.dataset.version[:12], second.dataset.version[:12]),
        ("classes", sorted(first.evaluation.classes), sorted(second.evaluation.classes)),
    ):
        if one != two:
            raise TreadleError(
                f"{first.run} and {second.run} cannot be compared: their {what} differ ({one} and {two})",
                expected="two runs on the same version of the same data",
                remedy="judge both models on one file: treadle evaluate --data FILE",
            )


def _same_codes(outcomes: Outcomes, classes: tuple[str, ...]) -> Outcomes:
    """The same outcomes with their codes in the order of ``classes``."""
    import numpy as np

    if outcomes.classes == classes or not classes:
        return outcomes
    place = np.array([classes.index(name) for name in outcomes.classes])
    back = np.argsort(place)
    truth, probability = outcomes.truth, outcomes.probability
    return replace(
        outcomes,
        truth=None if truth is None else place[truth],
        prediction=place[outcomes.prediction],
        probability=None if probability is None else probability[:, back],
        classes=classes,
    )
