"""The whole spec."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from treadle.spec.base import Section
from treadle.spec.data import Data
from treadle.spec.evaluate import Evaluate
from treadle.spec.model import Model
from treadle.spec.split import Split
from treadle.spec.store import Store

FORMAT = 1

Steps = str | dict[str, Any] | tuple[str | dict[str, Any], ...]


class Spec(Section):
    """What the user wants, never how it is done. The smallest: ``data: {source: income.csv, target: income}``."""

    treadle: int = FORMAT
    """Format of this file."""
    name: str | None = Field(default=None, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$")
    """Name of the model in the registry. Default: the folder's name."""
    task: Literal["classification", "regression", "clustering", "anomaly"] | None = None
    """Default: from the target's kind."""
    data: Data
    split: Split = Split()
    features: dict[str, Steps] = Field(default_factory=dict)
    """Steps for a column, such as `age: [clip, standardize]`; every other column gets its kind's default."""
    model: Model = Model()
    evaluate: Evaluate = Evaluate()
    store: Store = Store()

    def steps(self) -> dict[str, list[tuple[str, dict[str, Any]]]]:
        """``features`` in one form: a list of (step, options) for each column."""
        return {column: _steps(value) for column, value in self.features.items()}


def _steps(value: Steps) -> list[tuple[str, dict[str, Any]]]:
    found: list[tuple[str, dict[str, Any]]] = []
    for step in (value,) if isinstance(value, str | dict) else value:
        if isinstance(step, str):
            found.append((step, {}))
            continue
        for name, given in step.items():
            found.append((name, dict(given) if isinstance(given, dict) else {"_": given}))
    return found
