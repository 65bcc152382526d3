"""Treadle keeps machine-learning models turning: raw data to a model that people use, and keeps that model good.

project = treadle.open("delays")
run = project.run()
run.evaluation.metrics, run.model.predict(frame)
project.champion().explain(frame)
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"
__all__ = ["Project", "TreadleError", "open"]

_PLACES = {
    "open": "treadle.flow.project",
    "Project": "treadle.flow.project",
    "TreadleError": "treadle.core.errors",
}


def __getattr__(name: str) -> Any:
    """The public names, each loaded when it is first asked for, so that ``import treadle`` costs nothing."""
    if name not in _PLACES:
        raise AttributeError(f"module 'treadle' has no attribute {name!r}")
    value = getattr(importlib.import_module(_PLACES[name]), "open_project" if name == "open" else name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """The public names, also those that are not loaded."""
    return sorted({*globals(), *__all__})
