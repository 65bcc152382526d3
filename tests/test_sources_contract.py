"""Every source that is found keeps the contract."""

from __future__ import annotations

from pathlib import Path

import pytest

from treadle.core import registry
from treadle.core.errors import TreadleError
from treadle.sources.csv import Csv
from treadle.testing.sources import check_source

EXAMPLES = [name for name in registry.names("sources") if hasattr(registry.load("sources", name), "example")]
SERVERS = {"http", "openml", "postgresql"}


@pytest.mark.parametrize("name", EXAMPLES)
def test_contract(name: str, tmp_path: Path) -> None:
    component = registry.load("sources", name)
    if registry.missing(component):
        pytest.skip(f"{name} needs {registry.missing(component)}")
    check_source(component, tmp_path)


def test_every_source_has_an_example_or_needs_a_server() -> None:
    assert set(registry.names("sources")) == set(EXAMPLES) | SERVERS


class Forgetful(Csv):
    """Gives other rows each time."""

    def fingerprint(self) -> str:
        self.count = getattr(self, "count", 0) + 1
        return str(self.count)


def test_the_check_finds_an_unstable_fingerprint(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="stable"):
        check_source(Forgetful.example(tmp_path), tmp_path)


class Careless(Csv):
    """Reads an empty file as nothing."""

    def scan(self):  # type: ignore[no-untyped-def]
        import polars as pl

        try:
            return super().scan()
        except TreadleError:
            return pl.LazyFrame({"x": [1]})


def test_the_check_finds_a_swallowed_error(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="raises no TreadleError"):
        check_source(Careless.example(tmp_path), tmp_path)
