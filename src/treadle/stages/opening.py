"""From ``data`` in the spec to the source objects behind it, their fingerprints and the version of their content."""

from __future__ import annotations

import glob
import os
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from treadle.core import registry
from treadle.core.errors import TreadleError, did_you_mean, listing
from treadle.core.files import disk_error, hash_content, hash_files, hash_value
from treadle.core.options import options_of
from treadle.core.types import SourceTags
from treadle.core.urls import hidden, redact
from treadle.spec.data import Data
from treadle.spec.read import SECRET, resolve_secrets

SUMS = "sums.json"
DOWNLOADS = "downloads"


def written(data: Data) -> tuple[str, ...]:
    """The sources as the spec names them."""
    return (data.source,) if isinstance(data.source, str) else tuple(data.source)


def secrets_of(data: Data) -> AbstractContextManager[None]:
    """A block out of which no error carries what the environment put into the sources."""
    texts = [*written(data), *_texts(data.options.get("storage"))]
    names = {match[1] or match[2] for text in texts for match in SECRET.finditer(text)}
    return hidden(os.environ.get(name, "") for name in names)


def sources(data: Data, project: Path, workspace: Path | None = None) -> list[Any]:
    """The source objects that ``data.source`` names.

    Args:
        data: the section of the spec; ``$NAME`` is read from the environment.
        project: where relative paths start.
        workspace: where downloads are kept; ``.treadle`` in the project when not given.
    """
    with secrets_of(data):
        return [_source(url, data, project, workspace or project / ".treadle") for url in written(data)]


def _source(url: str, data: Data, project: Path, workspace: Path) -> Any:
    opened = resolve_secrets(url, where="data.source")
    local = "://" not in opened
    if local:
        opened = str((project / opened).resolve())
        if not glob.has_magic(opened) and not Path(opened).exists():
            beside = sorted(path.name for path in Path(opened).parent.glob("*") if not path.name.startswith("."))
            raise TreadleError(f"no such file or folder{did_you_mean(Path(opened).name, beside)}", where=url,
                               remedy="check data.source")  # fmt: skip
    for name in registry.names("sources"):
        component = registry.load("sources", name)
        if not component.matches(opened):
            continue
        registry.require(component, name, where=redact(url))
        known = options_of(component)
        options: dict[str, Any] = {"url": opened, **data.options}
        if "storage" in options:
            options["storage"] = _resolved(options["storage"])
        if "query" in known and data.query is not None:
            options["query"] = data.query
        elif data.query is not None:
            raise TreadleError("a query is only for databases", where="data.query", remedy="leave it out")
        if "cache" in known:
            options.setdefault("cache", str(workspace / DOWNLOADS))
        if "folder" in known:
            options.setdefault("folder", str(project))
        return component(**registry.check_options(component, options, name=name, where="data.options"))
    raise TreadleError("nothing here reads this source", where=redact(url),
                       expected=f"something for one of: {listing(registry.names('sources'))}")  # fmt: skip


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    items = value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else ()
    return [text for item in items for text in _texts(item)]


def _resolved(value: Any) -> Any:
    if isinstance(value, str):
        return resolve_secrets(value, where="data.options.storage")
    if isinstance(value, Mapping):
        return {key: _resolved(item) for key, item in value.items()}
    return [_resolved(item) for item in value] if isinstance(value, list | tuple) else value


def source_fingerprint(data: Data, project: Path, workspace: Path | None = None) -> str:
    """A short text that changes when the content of the sources may have changed.

    Hashes of files are remembered in the workspace, so that an unchanged file of any size is not read again.
    """
    workspace = workspace or project / ".treadle"
    with secrets_of(data):
        return hash_value([_fingerprint(source, workspace) for source in sources(data, project, workspace)])


def _fingerprint(source: Any, workspace: Path) -> str:
    if not hasattr(source, "files"):
        return str(source.fingerprint())
    files: Mapping[str, Path] = source.files()
    try:
        hashes = hash_files(list(files.values()), workspace / SUMS)
    except OSError as error:
        raise disk_error(error, getattr(error, "filename", None)) from None
    return hash_content(dict(zip(files, hashes, strict=True)))


def tags_of(source: Any) -> SourceTags:
    """The source's tags, or the defaults."""
    return getattr(source, "tags", None) or SourceTags()


def file_version(found: list[Any], limit: int | None, workspace: Path) -> str | None:
    """The version of data that is whole files: the hash of their bytes; None when some of it is not."""
    if not all(tags_of(source).whole for source in found):
        return None
    versions = [_fingerprint(source, workspace) for source in found]
    version = versions[0] if len(versions) == 1 else hash_value(versions)
    return hash_value([version, "the first rows", limit]) if limit else version


def place_of(found: list[Any], row: int) -> str:
    """Where the row of this position lies, for a person."""
    if len(found) == 1 and hasattr(found[0], "place"):
        return str(found[0].place(row))
    return f"row {row + 1}"
