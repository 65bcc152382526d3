"""The search space of a component, read from the ranges in its signature."""

from __future__ import annotations

import typing
from typing import Any

from treadle.core.options import Option, options_of


def searchable(component: Any) -> dict[str, Option]:
    """The options that a tuner may vary: those with a range (or a ``Literal``) that do not say otherwise."""
    found = {}
    for name, option in options_of(component).items():
        if option.range is not None and not option.range.tuned:
            continue
        if option.choices is not None or option.type is bool:
            if option.range is not None:
                found[name] = option
        elif option.range is not None and _bounds(option) is not None:
            found[name] = option
    return found


def suggest(trial: Any, component: Any) -> dict[str, Any]:
    """One point of the space, from an Optuna trial."""
    chosen: dict[str, Any] = {}
    for name, option in searchable(component).items():
        if option.choices is not None:
            chosen[name] = trial.suggest_categorical(name, list(option.choices))
            continue
        if option.type is bool:
            chosen[name] = trial.suggest_categorical(name, [False, True])
            continue
        bounds = _bounds(option)
        if bounds is None or option.range is None:
            continue
        low, high = bounds
        log = option.range.log and low > 0
        if _whole(option):
            chosen[name] = trial.suggest_int(name, int(low), int(high), log=log)
        else:
            chosen[name] = trial.suggest_float(name, low, high, log=log)
    return chosen


def _bounds(option: Option) -> tuple[float, float] | None:
    span = option.range
    if span is None:
        return None
    if span.tune is not None:
        return span.tune
    return None if span.low is None or span.high is None else (span.low, span.high)


def _whole(option: Option) -> bool:
    return option.type is int or int in typing.get_args(option.type)
