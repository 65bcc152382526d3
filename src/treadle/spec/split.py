"""``split``: which rows are learned from, which choose, and which judge."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from treadle.spec.base import Section


class Split(Section):
    """Which rows are learned from, which choose, and which judge."""

    method: Literal["random", "time", "group", "column", "k-fold"] | None = None
    """Default: `time` where `data.time` is given, `group` where `data.group` is, else `random` (stratified)."""
    test: float = Field(default=0.2, gt=0, lt=1)
    """Share of the rows that judge; training never sees them."""
    valid: float = Field(default=0.1, ge=0, lt=1)
    """Share of the rows that choose between models and stop training early."""
    column: str | None = None
    """For `column`: the one that holds `train`, `valid` or `test`."""
    folds: int = Field(default=5, ge=2, le=50)
    """For `k-fold`: each row is judged once by a model that did not see it."""
    seed: int = 0
    """For the random choice."""

    @model_validator(mode="after")
    def _room_for_training(self) -> Split:
        if self.test + self.valid >= 1:
            raise ValueError("test and valid together must be below 1, or nothing is left to train on")
        if (self.method == "column") != (self.column is not None):
            raise ValueError("`method: column` and `column: NAME` belong together")
        return self
