"""Gates: their grammar, their names, their verdicts."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treadle.core.errors import TreadleError
from treadle.core.types import Metered
from treadle.spec.gates import OPERATORS, check_names, gate_metrics, parse_gate
from treadle.spec.read import parse_spec
from treadle.stages.decide import decide
from treadle.stages.values import Evaluation, Slice

EVALUATION = Evaluation(
    metrics={"accuracy": Metered(0.85, 0.82, 0.88), "log_loss": Metered(0.4, 0.35, 0.45), "roc_auc": Metered(math.nan)},
    baseline={"accuracy": Metered(0.75), "log_loss": Metered(0.6)},
    rows=1000,
    metric="accuracy",
    classes=("no", "yes"),
    fairness={
        "sex": {"groups": {}, "equalized_odds_difference": {"value": 0.2, "low": 0.1, "high": 0.3},
                "demographic_parity_ratio": {"value": 0.9, "low": 0.8, "high": 1.0}},
        "race": {"groups": {}, "equalized_odds_difference": {"value": 0.05, "low": 0.0, "high": 0.1},
                 "demographic_parity_ratio": {"value": 0.7, "low": 0.5, "high": 0.9}},
    },
    slices=(
        Slice("sex = F", ("sex",), 400, {"accuracy": Metered(0.7, 0.65, 0.75), "log_loss": Metered(0.7, 0.6, 0.8)}),
        Slice("sex = M", ("sex",), 600, {"accuracy": Metered(0.9, 0.88, 0.92), "log_loss": Metered(0.2, 0.1, 0.3)}),
    ),
)  # fmt: skip


@pytest.mark.parametrize(
    ("gate", "passed"),
    [
        ("accuracy >= 0.85", True),
        ("accuracy > 0.85", False),
        ("accuracy == 0.85", True),
        ("low(accuracy) >= 0.83", False),
        ("high(log_loss) <= 0.45", True),
        ("accuracy >= baseline + 0.05", True),
        ("low(accuracy) > baseline + 0.08", False),
        ("log_loss < baseline - 0.1", True),
        ("accuracy >= baseline", True),
        ("worst_slice.accuracy >= 0.7", True),
        ("low(worst_slice.accuracy) >= 0.7", False),
        ("worst_slice.log_loss <= 0.5", False),
        ("equalized_odds_difference <= 0.1", False),
        ("equalized_odds_difference[race] <= 0.1", True),
        ("demographic_parity_ratio >= 0.8", False),
        ("demographic_parity_ratio[sex] >= 0.8", True),
        ("roc_auc >= 0.1", False),
        ("roc_auc <= 0.1", False),
    ],
)
def test_verdicts(gate: str, passed: bool) -> None:
    decision = decide(EVALUATION, (gate,))
    assert decision.passed is passed
    (verdict,) = decision.gates
    assert verdict.gate == gate and verdict.passed is passed and verdict.detail


def test_a_verdict_carries_its_evidence() -> None:
    (verdict,) = decide(EVALUATION, ("low(accuracy) > baseline + 0.08",)).gates
    assert (verdict.value, verdict.low, verdict.high) == (0.85, 0.82, 0.88)
    assert verdict.limit == pytest.approx(0.83)
    assert verdict.detail == (
        "the lower bound of accuracy is 0.82 (95 % interval 0.82 to 0.88), not > 0.83 (the baseline's 0.75 + 0.08)"
    )
    (worst,) = decide(EVALUATION, ("worst_slice.accuracy >= 0.8",)).gates
    assert "sex = F (400 rows)" in worst.detail
    (undefined,) = decide(EVALUATION, ("roc_auc >= 0.5",)).gates
    assert undefined.detail == "roc_auc is not defined on these rows"
    (base,) = decide(EVALUATION, ("roc_auc >= baseline",)).gates
    assert base.detail == "the baseline is not defined on these rows"


def test_no_gates_pass_and_one_failed_gate_fails() -> None:
    assert decide(EVALUATION, ()).passed
    assert not decide(EVALUATION, ("accuracy > 0.1", "accuracy > 0.9")).passed


@given(
    name=st.sampled_from(["accuracy", "worst_slice.f1", "equalized_odds_difference[my col]"]),
    sign=st.sampled_from(sorted(OPERATORS)),
    number=st.floats(-1e6, 1e6, allow_nan=False),
    bound=st.sampled_from(["", "low", "high"]),
    space=st.sampled_from(["", " ", "  "]),
)
def test_whatever_is_well_formed_is_read(name: str, sign: str, number: float, bound: str, space: str) -> None:
    side = f"{bound}({name})" if bound else name
    gate = parse_gate(f"{space}{side}{space}{sign}{space}{number!r}{space}")
    assert (gate.operator, gate.limit, gate.bound) == (sign, number, bound or "value")
    assert gate.worst_slice == name.startswith("worst_slice.")
    assert gate.column == ("my col" if "[" in name else None)


@given(st.text(max_size=40))
def test_whatever_is_not_is_refused_with_its_place(text: str) -> None:
    try:
        parse_gate(text)
    except ValueError as error:
        assert "position" in str(error)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("roc_auc", 8),
        ("roc_auc >> 1", 10),
        ("low(f1 > 3", 8),
        (">= 3", 1),
        ("f1 >= 0.9x", 10),
        ("f1 >= baseline + x", 16),
    ],
)
def test_the_place_is_right(text: str, place: int) -> None:
    with pytest.raises(ValueError, match=f"position {place} "):
        parse_gate(text)


def test_a_gate_that_does_not_read_is_told_with_its_line() -> None:
    with pytest.raises(TreadleError) as caught:
        parse_spec("data: {source: a.csv}\nevaluate:\n  gates: [accuracy > > 3]\n")
    assert "treadle.yaml:3" in str(caught.value) and "position 12" in str(caught.value)


def test_names_are_held_against_the_task() -> None:
    check_names(["accuracy"], ["equalized_odds_difference[sex] < 1", "low(f1) > 0"], "classification", 2, ["sex"])
    with pytest.raises(TreadleError) as caught:
        check_names(
            ["accuracyy", "rmse", "f1"],
            ["equalized_odds_difference[sx] < 1", "mean_error_difference < 1", "accuracy[sex] > 1"],
            "classification", 3, ["sex"],
        )  # fmt: skip
    message = str(caught.value)
    for part in (
        "did you mean 'accuracy'", "rmse is not a metric of classification", "f1 is for two classes, there are 3",
        "take f1_macro", "did you mean 'sex'", "mean_error_difference does not fit classification",
        "only fairness measures are taken by column",
    ):  # fmt: skip
        assert part in message
    with pytest.raises(TreadleError, match="no sensitive columns"):
        check_names([], ["equalized_odds_difference < 1"], "classification", 2, [])


def test_metrics_that_only_gates_ask_for() -> None:
    gates = ["low(f1) > 0", "worst_slice.mcc > 0", "equalized_odds_difference < 1", "f1 < 1"]
    assert gate_metrics(gates) == ("f1", "mcc")
