"""Names stand in users' specs and in saved bundles: one may be added, none may disappear."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from treadle.core import registry

KNOWN = json.loads((Path(__file__).parent / "registered_names.json").read_text())


@pytest.mark.parametrize("group", KNOWN)
def test_no_name_disappears(group: str) -> None:
    assert set(KNOWN[group]) <= set(registry.names(group))


def test_every_group_that_has_components_is_listed() -> None:
    assert set(KNOWN) == {group for group in registry.GROUPS if registry.names(group)}


@pytest.mark.parametrize("group", KNOWN)
def test_every_component_loads_without_its_libraries_and_knows_its_file(group: str) -> None:
    for name in registry.names(group):
        component = registry.load(group, name)
        assert component.__doc__, f"{group}.{name} has no docstring"
        file = registry.file_of(group, name)
        assert file is not None and file.stem == name
