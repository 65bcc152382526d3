"""``evaluate``: how a model is judged."""

from __future__ import annotations

from pydantic import Field, field_validator

from treadle.spec.base import Section
from treadle.spec.gates import parse_gate


class Cost(Section):
    """What the two mistakes of a binary decision cost; the threshold is chosen to make the sum small."""

    false_positive: float = Field(default=1.0, ge=0)
    false_negative: float = Field(default=1.0, ge=0)


class Evaluate(Section):
    """How a model is judged."""

    metrics: tuple[str, ...] = ()
    """Names of metrics; the first decides between models. Default: the task's own."""
    slices: tuple[str, ...] = ()
    """Columns whose values are judged one by one."""
    gates: tuple[str, ...] = ()
    """Rules such as `roc_auc >= 0.90`; a model that fails one is not promoted. `low(roc_auc) >= 0.88` asks it of the
    interval's lower bound, `accuracy > baseline + 0.05` of the gain over the baseline, `worst_slice.accuracy >= 0.7`
    of the worst slice, and `equalized_odds_difference[sex] <= 0.1` of a sensitive column."""
    cost: Cost | None = None
    """Choose the decision threshold for these costs, on the validation rows."""
    bootstrap: int = Field(default=500, ge=0, le=100_000)
    """Resamples behind each 95 % interval."""
    learning_curve: bool = False
    """Fit the chosen model on growing parts of the training rows as well, and show what more data would bring."""

    @field_validator("gates")
    @classmethod
    def _readable(cls, gates: tuple[str, ...]) -> tuple[str, ...]:
        for gate in gates:
            parse_gate(gate)
        return gates
