"""Every model that is found is put through the public contract."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from treadle.core import registry
from treadle.testing import models
from treadle.testing.models import CHECKS, Check, tasks_of

CASES = [
    pytest.param(name, task, check, id=f"{name}-{task}-{check.__name__.removeprefix('check_')}")
    for name in registry.names("models")
    for task in (tasks_of(registry.load("models", name)) or ("none",))
    for check in CHECKS
]


@pytest.mark.parametrize(("name", "task", "check"), CASES)
def test_a_model_keeps_its_promises(name: str, task: str, check: Check) -> None:
    component = registry.load("models", name)
    if absent := registry.missing(component):
        pytest.skip(f"{name} needs {', '.join(absent)}")
    if task == "none":
        pytest.skip(f"{name} has no task that the contract knows: {sorted(component.tags.tasks)}")
    check(component, task)


def broken(**methods: Any) -> Any:
    """The linear model with something wrong with it."""
    return type("Broken", (registry.load("models", "linear"),), methods)


def save_with_a_pickle(self: Any, folder: Path) -> None:
    registry.load("models", "linear").save(self, folder)
    (folder / "extra.bin").write_bytes(pickle.dumps({"a": print}))


def predict_too_much(self: Any, features: Any) -> Any:
    return registry.load("models", "linear").predict(self, features) * 2


def fit_in_place(self: Any, train: Any, valid: Any, context: Any) -> Any:
    train.blocks["number"].values[:] = 0
    return registry.load("models", "linear").fit(self, train, valid, context)


def fit_without_weights(self: Any, train: Any, valid: Any, context: Any) -> Any:
    return registry.load("models", "linear").fit(self, replace(train, weight=None), valid, context)


@pytest.mark.parametrize(
    ("methods", "check", "promise"),
    [
        ({"save": save_with_a_pickle}, models.check_save_and_load, "pickle"),
        ({"predict": predict_too_much}, models.check_answers, "between 0 and 1"),
        ({"fit": fit_in_place}, models.check_repeats, "leave their inputs"),
        ({"fit": fit_without_weights}, models.check_weights, "weights have an effect"),
        ({"importance": lambda self: [1.0]}, models.check_abilities, "one entry a column"),
        ({"tags": "none"}, models.check_declaration, "ModelTags"),
    ],
)
def test_a_broken_promise_is_named(methods: dict[str, Any], check: Check, promise: str) -> None:
    with pytest.raises(AssertionError, match=promise):
        check(broken(**methods), "classification")
