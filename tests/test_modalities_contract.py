"""Every kind of column keeps what kinds promise."""

from __future__ import annotations

import pytest

from treadle.core import registry
from treadle.testing.modalities import check_modality


@pytest.mark.parametrize("name", registry.names("modalities"))
def test_every_kind_keeps_the_contract(name: str) -> None:
    check_modality(registry.load("modalities", name))
