"""Every model that is found is put through the public contract."""

from __future__ import annotations

import pytest

from treadle.core import registry
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
