"""Hold the evaluation against the gates: one verdict each, with its evidence."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from treadle.core import registry
from treadle.core.types import Metered, Verdict
from treadle.spec.gates import OPERATORS, Gate, parse_gate
from treadle.spec.spec import Spec
from treadle.stages.values import Decision, Evaluation, Job

INPUTS = ("evaluate",)
VALUE = Decision


def settings(spec: Spec) -> Any:
    """The part of the spec that this stage depends on."""
    return spec.evaluate.gates


def leaves(spec: Spec) -> list[tuple[str, str]]:
    """No component has a part in this."""
    return []


def run(job: Job) -> Decision:
    """One verdict a gate; the model passes when all do."""
    return decide(job.inputs["evaluate"].value, job.spec.evaluate.gates)


def decide(evaluation: Evaluation, gates: tuple[str, ...]) -> Decision:
    """Judge an evaluation by rules in the form of `treadle.spec.gates`."""
    verdicts = tuple(verdict(evaluation, parse_gate(text)) for text in gates)
    return Decision(verdicts, all(item.passed for item in verdicts))


def verdict(evaluation: Evaluation, gate: Gate) -> Verdict:
    """Whether a rule holds. What is not defined does not hold."""
    figure, what = _evidence(evaluation, gate)
    limit, beside = gate.limit, f"{gate.limit:g}"
    if gate.baseline:
        base = _number(evaluation.baseline.get(gate.name, Metered(math.nan)).value)
        limit = base + gate.limit
        beside = f"{limit:.4g} (the baseline's {base:.4g} {'+' if gate.limit >= 0 else '-'} {abs(gate.limit):g})"
    value = _number(getattr(figure, gate.bound))
    bound = {"value": "", "low": "the lower bound of ", "high": "the upper bound of "}[gate.bound]
    passed = OPERATORS[gate.operator](value, limit)
    if math.isnan(value) or math.isnan(limit):
        passed = False
        detail = f"{'the baseline' if math.isnan(limit) else bound + what} is not defined on these rows"
    else:
        detail = f"{bound}{what} is {value:.4g}{_span(figure)}, {'' if passed else 'not '}{gate.operator} {beside}"
    return Verdict(gate.text, passed, figure.value, figure.low, figure.high, _finite(limit), detail)


def _evidence(evaluation: Evaluation, gate: Gate) -> tuple[Metered, str]:
    """The figure that a rule is about, and its name for a person."""
    if gate.measure:
        return _fairness(evaluation, gate)
    if not gate.worst_slice:
        return evaluation.metrics.get(gate.name, Metered(math.nan)), gate.name
    up = registry.load("metrics", gate.name).tags.greater_is_better
    found = [
        (item.metrics[gate.name], f"{gate.name} where {item.rule} ({item.rows:,} rows)")
        for item in evaluation.slices
        if gate.name in item.metrics and not math.isnan(_number(getattr(item.metrics[gate.name], gate.bound)))
    ]
    if not found:
        return Metered(math.nan), f"{gate.name} of the worst slice"
    return (min if up else max)(found, key=lambda pair: _number(getattr(pair[0], gate.bound)))


def _fairness(evaluation: Evaluation, gate: Gate) -> tuple[Metered, str]:
    """The measure of one column, or the worst over all: the smallest of a ratio, the largest of a difference."""
    columns = [gate.column] if gate.column is not None else list(evaluation.fairness)
    found = []
    for column in columns:
        entry: Mapping[str, Any] = evaluation.fairness.get(column, {}).get(gate.name) or {}
        figure = Metered(_number(entry.get("value")), entry.get("low"), entry.get("high"))
        if not math.isnan(_number(getattr(figure, gate.bound))):
            found.append((figure, f"{gate.name} by {column}"))
    if not found or len(found) < len(columns):
        return Metered(math.nan), gate.name
    worst = min if gate.name.endswith("_ratio") else max
    return worst(found, key=lambda pair: _number(getattr(pair[0], gate.bound)))


def _span(figure: Metered) -> str:
    if figure.low is None or figure.high is None:
        return ""
    return f" (95 % interval {figure.low:.4g} to {figure.high:.4g})"


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
