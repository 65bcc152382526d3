"""``evaluate``: how a model is judged."""

from __future__ import annotations

from pydantic import Field

from treadle.spec.base import Section


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
    """Rules such as `roc_auc >= 0.90`; a model that fails one is not promoted."""
    cost: Cost | None = None
    """Choose the decision threshold for these costs, on the validation rows."""
    bootstrap: int = Field(default=500, ge=0, le=100_000)
    """Resamples behind each 95 % interval."""
