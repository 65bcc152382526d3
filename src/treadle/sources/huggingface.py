"""Datasets of the Hugging Face hub: ``hf://owner/name``; or a local folder: ``hf://./folder``."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from treadle.core.errors import TreadleError, did_you_mean, listing
from treadle.core.files import files_below, hash_content, hash_file
from treadle.core.options import Doc
from treadle.core.types import SourceTags
from treadle.core.urls import scheme_of
from treadle.sources._files import lazily

if TYPE_CHECKING:
    import polars as pl

ROWS = 10_000


class HuggingFace:
    """A dataset of the hub, or a folder that ``datasets`` reads, streamed from its Arrow files in batches.

    Only data is read: a dataset that needs code of its own to load is refused. The fingerprint is the hub's commit, or
    the hash of the local files. A private dataset needs ``HF_TOKEN`` in the environment.
    """

    tags = SourceTags(requires=("datasets",), extra="sources")

    def __init__(
        self,
        *,
        url: str,
        split: Annotated[str, Doc("which part: train, test, ...")] = "train",
        name: Annotated[str | None, Doc("the configuration, where a dataset has several")] = None,
        revision: Annotated[str | None, Doc("a commit, branch or tag of the hub")] = None,
        cache: Annotated[str | None, Doc("the folder for downloads; the workspace's by default")] = None,
        folder: Annotated[str | None, Doc("where relative paths start")] = None,
    ) -> None:
        self.url = url
        self.split = split
        self.name = name
        self.revision = revision
        self.cache = cache
        self.folder = folder

    @classmethod
    def matches(cls, url: str) -> bool:
        """By the scheme."""
        return scheme_of(url) == "hf"

    @classmethod
    def example(cls, folder: Path) -> HuggingFace:
        """A local folder with one file."""
        place = folder / "hub"
        place.mkdir(exist_ok=True)
        (place / "train.csv").write_text("name,age\nAda,36\nBo,41\n")
        return cls(url=f"hf://{place}", cache=str(folder / "downloads"))

    @property
    def local(self) -> Path | None:
        """The local folder, when one is meant."""
        text = self.url.partition("://")[2]
        path = Path(self.folder or ".") / text
        if text.startswith(("/", "./", "../")) and not path.is_dir():
            raise TreadleError("there is no such folder", where=self.url)
        return path if text.startswith(("/", "./", "../")) else None

    def fingerprint(self) -> str:
        """The hub's commit with split and configuration, or the hash of the local files."""
        if self.local is not None:
            root = self.local
            hashes = {path.relative_to(root).as_posix(): hash_file(path) for path in files_below(root)}
            return hash_content(hashes) if hashes else "empty"
        return f"{self.url} {self._commit()} {self.name} {self.split}"

    def scan(self) -> pl.LazyFrame:
        """The rows of the split."""
        import polars as pl

        data = self._loaded()
        schema = dict(pl.DataFrame(pl.from_arrow(data.with_format("arrow")[:1])).schema)

        def batches(columns: list[str] | None) -> Iterator[pl.DataFrame]:
            part = data if columns is None else data.select_columns(columns)
            for table in part.with_format("arrow").iter(ROWS):
                yield pl.DataFrame(pl.from_arrow(table)).cast(
                    {k: v for k, v in schema.items() if k in table.column_names}
                )

        return lazily(schema, batches)

    def _loaded(self) -> Any:
        import datasets

        cache = self.cache or str(Path(tempfile.gettempdir()) / "treadle-downloads")
        where: dict[str, Any] = {"revision": self._commit()} if self.local is None else {}
        path = self.url.partition("://")[2].strip("/") if self.local is None else str(self.local.resolve())
        datasets.disable_progress_bars()
        try:
            found = datasets.load_dataset(path, self.name, cache_dir=os.path.join(cache, "hf"), **where)
        except Exception as error:
            raise self._told(error) from None
        if self.split not in found:
            raise TreadleError(f"there is no split {self.split!r}{did_you_mean(self.split, found)}",
                               where="data.options.split", expected=f"one of {listing(found)}")  # fmt: skip
        return found[self.split]

    def _commit(self) -> str:
        """The commit that the revision stands for now."""
        import huggingface_hub

        name = self.url.partition("://")[2].strip("/")
        try:
            return str(huggingface_hub.HfApi().dataset_info(name, revision=self.revision, timeout=20).sha)
        except Exception as error:
            raise self._told(error) from None

    def _told(self, error: Exception) -> TreadleError:
        if isinstance(error, TreadleError):
            return error
        said = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        return TreadleError(
            f"the dataset cannot be loaded ({said[:300]})", where=self.url,
            expected="hf://OWNER/NAME on the hub, or hf://./FOLDER here",
            remedy="check the name and the network; a private dataset needs HF_TOKEN in the environment",
        )  # fmt: skip


COMPONENT = HuggingFace
