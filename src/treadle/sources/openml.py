"""Datasets of OpenML: ``openml://1590`` (by number) or ``openml://adult`` (by name)."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from treadle.core.errors import TreadleError
from treadle.core.files import write_json
from treadle.core.jsonable import read_json
from treadle.core.options import Doc
from treadle.core.types import SourceTags
from treadle.core.urls import scheme_of

if TYPE_CHECKING:
    import polars as pl


class OpenML:
    """A dataset of openml.org, fetched by scikit-learn and kept in the workspace.

    A number always means the same data. A name is looked up once and from then on means the number it was found under;
    ``options: {version: 2}`` picks one of several versions.
    """

    tags = SourceTags(requires=("pandas",), extra="sources")

    def __init__(
        self,
        *,
        url: str,
        version: Annotated[int | None, Doc("which version of a name; the oldest active one by default")] = None,
        cache: Annotated[str | None, Doc("the folder for downloads; the workspace's by default")] = None,
    ) -> None:
        self.url = url
        self.version = version
        self.cache = cache

    @classmethod
    def matches(cls, url: str) -> bool:
        """By the scheme."""
        return scheme_of(url) == "openml"

    def scan(self) -> pl.LazyFrame:
        """The whole table."""
        import polars as pl

        frame = self._fetch(self._number()).frame
        for name in frame.columns:
            if str(frame[name].dtype) in ("category", "object"):
                frame[name] = frame[name].astype("string")
        return pl.DataFrame(pl.from_pandas(frame)).lazy()

    def fingerprint(self) -> str:
        """The dataset's number: what is published under it does not change."""
        return f"openml {self._number()}"

    @property
    def _home(self) -> Path:
        return (Path(self.cache) if self.cache else Path(tempfile.gettempdir()) / "treadle-downloads") / "openml"

    def _number(self) -> int:
        name = self.url.partition("://")[2].strip("/")
        if not name:
            raise TreadleError("no dataset is named", where=self.url, expected="openml://NUMBER or openml://NAME")
        if name.isdigit():
            return int(name)
        known = self._home / "numbers.json"
        key = f"{name} {self.version or ''}".strip()
        numbers = read_json(known) if known.is_file() else {}
        if key not in numbers:
            found = self._fetch(name)
            known.parent.mkdir(parents=True, exist_ok=True)
            numbers[key] = int(found.details["id"])
            write_json(known, numbers)
        return int(numbers[key])

    def _fetch(self, which: int | str) -> Any:
        from sklearn.datasets import fetch_openml

        chosen: dict[str, Any] = {"data_id": which}
        if isinstance(which, str):
            chosen = {"name": which, "version": self.version or "active"}
        try:
            return fetch_openml(
                **chosen, as_frame=True, parser="auto", data_home=str(self._home), n_retries=1, delay=0.5
            )
        except (OSError, ValueError) as error:
            said = str(getattr(error, "reason", error)).splitlines()[0]
            raise TreadleError(
                f"the dataset cannot be fetched ({said[:200]})", where=self.url,
                remedy="check its number or name on openml.org, and the network",
            ) from None  # fmt: skip


COMPONENT = OpenML
