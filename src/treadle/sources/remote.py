"""Files in stores that fsspec reaches: ``s3://``, ``gs://``, ``az://``, ``sftp://``, ..."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from treadle.core.errors import TreadleError
from treadle.core.options import Doc, Range
from treadle.core.types import SourceTags
from treadle.core.urls import redact, scheme_of
from treadle.sources._cache import MOST_GIGABYTES, Cache
from treadle.sources._delegate import ENDINGS, Delegating, file_source, is_table

SCHEMES = ("s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "adl", "oci", "oss", "hdfs", "webdav", "ftp", "sftp", "ssh",
           "memory")  # fmt: skip
SAID = ("ETag", "etag", "LastModified", "last_modified", "mtime", "modified", "updated", "created", "md5Hash", "crc32c")


class Remote(Delegating):
    """Table files in an object store: one, a pattern (``s3://bucket/part-*.csv``), or all below a prefix.

    Each is kept in the workspace and fetched again when the store gives it another tag, time or size. Credentials come
    from where the store's own library looks for them (``AWS_ACCESS_KEY_ID``, ...) or from ``storage``.
    """

    tags = SourceTags(requires=("fsspec",), extra="sources", whole=True)

    def __init__(
        self,
        *,
        url: str,
        cache: Annotated[str | None, Doc("the folder for downloads; the workspace's by default")] = None,
        most: Annotated[float, Range(0), Doc("largest file, in gigabytes")] = MOST_GIGABYTES,
        endpoint: Annotated[str | None, Doc("address of a store that speaks S3 but is not Amazon's")] = None,
        storage: Annotated[
            Mapping[str, Any] | None, Doc("what the file system is opened with; $NAME for a secret")
        ] = None,
        reading: Annotated[Mapping[str, Any] | None, Doc("options of the files' own format, such as separator")] = None,
    ) -> None:
        self.url = url
        self.cache = cache
        self.most = most
        self.endpoint = endpoint
        self.storage = storage
        self.reading = reading

    @classmethod
    def matches(cls, url: str) -> bool:
        """By the scheme."""
        return scheme_of(url) in SCHEMES

    @classmethod
    def example(cls, folder: Path) -> Remote:
        """A file in fsspec's store in memory."""
        import fsspec

        store = fsspec.filesystem("memory")
        store.pipe_file("/treadle/people.csv", b"name,age\nAda,36\nBo,NA\n")
        return cls(url="memory://treadle/people.csv", cache=str(folder / "downloads"))

    def sources(self) -> list[tuple[str, Any]]:
        """The fetched files, looked up once by each instance."""
        if not hasattr(self, "_found"):
            self._found = self._fetched()
        return self._found

    def _fetched(self) -> list[tuple[str, Any]]:
        shown = redact(self.url)
        try:
            store, root = self._store()
            entries = self._entries(store, root)
            found = [(name, self._local(store, entry)) for name, entry in entries]
        except TreadleError:
            raise
        except ImportError as error:
            raise TreadleError(f"{scheme_of(self.url)}:// needs {error.name or error}", where=shown,
                               remedy="pip install 'treadle[sources]'") from None  # fmt: skip
        except FileNotFoundError:
            raise TreadleError("there is no such file", where=shown, remedy="check bucket and name") from None
        except Exception as error:
            # Every store's library has errors of its own; none of them may show as a traceback.
            said = redact(str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__)
            raise TreadleError(f"the store cannot be read ({said[:300]})", where=shown,
                               remedy="check name, network and credentials") from None  # fmt: skip
        if not found:
            raise TreadleError("there is no table file here", where=shown,
                               expected=f"files that end in {', '.join(ENDINGS)}")  # fmt: skip
        return [(name, file_source(path, self.reading)) for name, path in found]

    def _store(self) -> tuple[Any, str]:
        import fsspec

        options = dict(self.storage or {})
        if self.endpoint:
            options["client_kwargs"] = {**options.get("client_kwargs", {}), "endpoint_url": self.endpoint}
        scheme, _, rest = self.url.partition("://")
        store, root = fsspec.core.url_to_fs(f"{scheme.lower()}://{rest}", **options)
        return store, str(root)

    def _entries(self, store: Any, root: str) -> list[tuple[str, Mapping[str, Any]]]:
        """Name below the root, and what the store says of it, sorted by name."""
        if hasattr(store, "invalidate_cache"):
            store.invalidate_cache()
        if any(letter in root for letter in "*?["):
            fixed = root[: min(root.find(letter) for letter in "*?[" if letter in root)].rpartition("/")[0]
            paths = store.glob(root)
        elif store.isdir(root):
            fixed, paths = root.rstrip("/"), store.find(root)
        else:
            return [(root.rpartition("/")[2], store.info(root))]
        names = {str(path).removeprefix(fixed).lstrip("/"): path for path in paths}
        hidden = {name for name in names if any(part.startswith((".", "_")) for part in name.split("/"))}
        return [(name, store.info(names[name])) for name in sorted(set(names) - hidden) if is_table(Path(name))]

    def _local(self, store: Any, entry: Mapping[str, Any]) -> Path:
        name = str(entry["name"])
        if not is_table(Path(name)):
            raise TreadleError("its name does not say what format this is", where=redact(self.url),
                               expected=f"a name that ends in {', '.join(ENDINGS)}")  # fmt: skip
        said = {key: _plain(entry[key]) for key in SAID if entry.get(key) is not None}
        facts = {"said": said, "length": entry.get("size")}
        cache = Cache(self.cache, f"{scheme_of(self.url)}://{name} {self.endpoint or ''}")
        path, before = cache.known()
        if path is not None and said and {key: before.get(key) for key in facts} == facts:
            return path
        with store.open(name, "rb") as stream:
            return cache.keep(name.rpartition("/")[2], stream, facts, most=self.most, where=redact(self.url))


def _plain(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime.datetime) else str(value)


COMPONENT = Remote
