"""Real data that pip packages carry: ``sample://iris``, ``sample://flights``, ..."""

from __future__ import annotations

from typing import TYPE_CHECKING

from treadle.core.errors import TreadleError, did_you_mean, listing

if TYPE_CHECKING:
    import polars as pl

SKLEARN = ("breast_cancer", "diabetes", "digits", "iris", "wine")


class Sample:
    """Datasets inside installed packages."""

    def __init__(self, *, url: str) -> None:
        self.url = url

    @classmethod
    def matches(cls, url: str) -> bool:
        """By the scheme."""
        return url.startswith("sample://")

    @property
    def name(self) -> str:
        """What stands behind the scheme."""
        return self.url.removeprefix("sample://")

    def scan(self) -> pl.LazyFrame:
        """The whole table."""
        import polars as pl

        if self.name in SKLEARN:
            import sklearn.datasets

            data = getattr(sklearn.datasets, f"load_{self.name}")()
            names = [str(name).replace(" (cm)", "").replace(" ", "_") for name in data.feature_names]
            frame = pl.DataFrame(data.data, schema=names, orient="row")
            target = data.target
            if hasattr(data, "target_names"):
                target = [str(data.target_names[code]) for code in data.target]
            return frame.with_columns(pl.Series("target", target)).lazy()
        known = [*SKLEARN]
        raise TreadleError(f"there is no sample {self.name!r}{did_you_mean(self.name, known)}", expected=listing(known))

    def fingerprint(self) -> str:
        """Name and version of the package that carries it."""
        from importlib.metadata import version

        return f"{self.url} scikit-learn {version('scikit-learn')}"


COMPONENT = Sample
