"""Every named step keeps what steps promise; each does what it says on numbers that can be checked by hand."""

from __future__ import annotations

import pytest

from treadle.core import registry
from treadle.testing.transforms import check_transform


@pytest.mark.parametrize("name", registry.names("transforms"))
def test_every_step_keeps_the_contract(name: str) -> None:
    check_transform(registry.load("transforms", name))
