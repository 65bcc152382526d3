"""``model``: what learns."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from treadle.spec.base import Duration, Section


class Tune(Section):
    """The search for good options."""

    trials: int = Field(default=40, ge=1, le=100_000)
    """How many to try at most."""
    budget: Duration | None = None
    """How long to try at most."""


class Model(Section):
    """What learns."""

    name: str | tuple[str, ...] | None = None
    """A model, `auto`, or a list: the best on the validation rows wins. Default: chosen by the columns' kinds."""
    options: dict[str, Any] = Field(default_factory=dict)
    """Options of the model (`treadle components models` lists them)."""
    tune: Tune | None = None
    """Search for better options with Optuna."""
    weights: Literal["balanced"] | None = None
    """`balanced`: each class weighs the same in training."""
    quantiles: tuple[float, ...] = ()
    """Regression: levels to predict besides the mean, such as [0.05, 0.95] for a 90 % interval."""
    budget: Duration | None = None
    """`auto`: how long it may take (default 60s)."""
    seed: int = 0
    """For every source of chance in training."""
    refit: bool = True
    """After the choice, fit the winner once more on training and validation rows together."""
