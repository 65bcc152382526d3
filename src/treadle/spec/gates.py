"""Gates: rules such as ``roc_auc >= 0.90``, read from text and checked before anything runs.

SIDE OP LIMIT
SIDE    NAME | low(NAME) | high(NAME)      the value, or a bound of its 95 % interval
NAME    a metric: accuracy
        worst_slice.METRIC                 the metric of the slice where it is worst
        MEASURE or MEASURE[COLUMN]         a fairness measure; without a column, the worst of all sensitive ones
OP      >= > <= < ==
LIMIT   NUMBER | baseline | baseline + NUMBER | baseline - NUMBER
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from treadle.core import registry
from treadle.core.errors import TreadleError, did_you_mean, listing, raise_all

OPERATORS: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    "==": operator.eq,
    ">": operator.gt,
    "<": operator.lt,
}
WORST = "worst_slice."
METRICS = "evaluate.metrics"
MEASURES = {
    "classification": (
        "demographic_parity_difference",
        "demographic_parity_ratio",
        "equalized_odds_difference",
        "equalized_odds_ratio",
        "equal_opportunity_difference",
        "equal_opportunity_ratio",
        "accuracy_difference",
    ),
    "regression": ("mean_error_difference", "mean_absolute_error_difference"),
}
"""Fairness measures by task; the differences and ratios bear fairlearn's names."""

SPACE = re.compile(r"\s*")
BOUND = re.compile(r"(low|high)\s*\(")
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)?")
COLUMN = re.compile(r"\[([^\]]+)\]")
OPERATOR = re.compile(r">=|<=|==|>|<")
NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
SHIFT = re.compile(r"([+-])\s*((?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)")


@dataclass(frozen=True)
class Gate:
    """A rule, taken apart.

    Attributes:
        text: as the user wrote it.
        name: a metric or a fairness measure.
        operator: one of ``OPERATORS``.
        limit: the number; added to the baseline's value when ``baseline`` is set.
        bound: ``value``, ``low`` or ``high``.
        column: of a fairness measure, or None for the worst of all.
        worst_slice: whether the metric is that of the worst slice.
    """

    text: str
    name: str
    operator: str
    limit: float
    bound: str = "value"
    column: str | None = None
    worst_slice: bool = False
    baseline: bool = False

    @property
    def measure(self) -> bool:
        """Whether it is about fairness."""
        return any(self.name in names for names in MEASURES.values())


class _Reader:
    """Walks over a rule's text; each mistake is told with its position, counted from 1."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.place = 0

    def take(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        self.place = SPACE.match(self.text, self.place).end()  # type: ignore[union-attr]
        match = pattern.match(self.text, self.place)
        if match:
            self.place = match.end()
        return match

    def need(self, pattern: re.Pattern[str], what: str) -> re.Match[str]:
        match = self.take(pattern)
        if match is None:
            rest = self.text[self.place :]
            got = f"{rest[:20]!r}" if rest else "the end"
            raise ValueError(
                f"the gate {self.text!r} has {got} at position {self.place + 1} where {what} should be; "
                "it reads like `roc_auc >= 0.9`, `low(f1) > baseline + 0.05`, `worst_slice.accuracy >= 0.7` "
                "or `equalized_odds_difference[sex] <= 0.1`"
            )
        return match


def parse_gate(text: str) -> Gate:
    """Take a rule apart.

    Raises:
        ValueError: with the position of the first thing that does not fit.
    """
    reader = _Reader(text)
    bound = reader.take(BOUND)
    name = reader.need(NAME, "a metric or a fairness measure")[0]
    column = reader.take(COLUMN)
    if bound:
        reader.need(re.compile(r"\)"), "`)`")
    sign = reader.need(OPERATOR, f"one of {listing(OPERATORS)}")[0]
    baseline = reader.take(re.compile(r"baseline\b"))
    if baseline:
        shift = reader.take(SHIFT)
        limit = float(shift[1] + shift[2]) if shift else 0.0
    else:
        limit = float(reader.need(NUMBER, "a number or `baseline`")[0])
    reader.need(re.compile(r"$"), "the end")
    worst = name.startswith(WORST)
    return Gate(
        text=text,
        name=name.removeprefix(WORST),
        operator=sign,
        limit=limit,
        bound=bound[1] if bound else "value",
        column=column[1].strip() if column else None,
        worst_slice=worst,
        baseline=baseline is not None,
    )


def gate_metrics(gates: Sequence[str]) -> tuple[str, ...]:
    """The metrics that rules ask for, fairness measures left out."""
    parsed = map(parse_gate, gates)
    return tuple(dict.fromkeys(gate.name for gate in parsed if not gate.measure))


def check_names(
    metrics: Sequence[str], gates: Sequence[str], task: str, classes: int, sensitive: Sequence[str]
) -> None:
    """Hold every name in ``evaluate.metrics`` and ``evaluate.gates`` against what this task can measure.

    Args:
        metrics, gates: as in the spec.
        task: the task's name.
        classes: number of classes, 0 where there are none.
        sensitive: the sensitive columns.
    """
    problems: list[TreadleError] = []
    for name in metrics:
        problems += _metric_problems(name, task, classes, METRICS)
    for text in gates:
        gate, where = parse_gate(text), f"evaluate.gates, {text!r}"
        if not gate.measure:
            problems += _metric_problems(gate.name, task, classes, where)
            if gate.column is not None:
                problems.append(TreadleError("only fairness measures are taken by column", where=where))
            continue
        if gate.name not in MEASURES.get(task, ()):
            known = listing(MEASURES.get(task, ())) or "no fairness measures"
            problems.append(TreadleError(f"{gate.name} does not fit {task}", where=where, expected=known))
        if not sensitive:
            problems.append(
                TreadleError(
                    "no sensitive columns are named", where=where, remedy="name them: data: {sensitive: [...]}"
                )
            )
        elif gate.column is not None and gate.column not in sensitive:
            hint = did_you_mean(gate.column, sensitive)
            problems.append(
                TreadleError(
                    f"{gate.column!r} is not a sensitive column{hint}", where=where,
                    expected=f"one of {listing(sensitive)}",
                )
            )  # fmt: skip
        if gate.baseline or gate.worst_slice:
            problems.append(TreadleError("a fairness measure has no baseline and no slices", where=where))
    raise_all(problems)


def _metric_problems(name: str, task: str, classes: int, where: str) -> list[TreadleError]:
    known = registry.names("metrics")
    tags = registry.load("metrics", name).tags if name in known else None
    if tags is None or task not in tags.tasks:
        fitting = [other for other in known if task in registry.load("metrics", other).tags.tasks]
        also = list(MEASURES.get(task, ())) if where != METRICS else []
        problem = f"{name} is not a metric of {task}" if tags else f"unknown metric {name!r}"
        hint = did_you_mean(name, [*fitting, *also])
        return [TreadleError(f"{problem}{hint}", where=where, expected=f"one of {listing([*fitting, *also], 60)}")]
    if tags.binary and classes > 2:
        other = f"{name}_macro"
        remedy = f"take {other}" if other in known else None
        return [TreadleError(f"{name} is for two classes, there are {classes}", where=where, remedy=remedy)]
    return []
