"""What every source must do; a third party's source is held to the same."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

from treadle.core.errors import TreadleError
from treadle.core.options import options_of
from treadle.core.types import SourceTags


def check_source(component: Any, folder: Path) -> None:
    """Put a source through its contract.

    Args:
        component: a source class with ``example(folder)``, or an instance.
        folder: an empty folder for its files.

    Raises:
        AssertionError: with what does not hold.
    """
    source: Any = component
    if inspect.isclass(component):
        make: Any = component
        source = make.example(folder)
    kind = type(source)
    _check_options(kind)
    assert kind.matches(source.url), f"{kind.__name__} does not match its own example {source.url!r}"
    assert not kind.matches("nothing://that.exists"), f"{kind.__name__} matches everything"
    _check_rows(source)
    _check_fingerprint(source)
    _check_optional(source)
    if "://" not in source.url and Path(source.url).is_file():
        _check_file(source, folder)


def _check_options(kind: Any) -> None:
    parameters = list(inspect.signature(kind.__init__).parameters.values())[1:]
    positional = [item.name for item in parameters if item.kind is not inspect.Parameter.KEYWORD_ONLY]
    assert not positional, f"options must be keyword-only: {positional}"
    options = options_of(kind)
    assert "url" in options, "a source has the option url"
    silent = [name for name, option in options.items() if name != "url" and not option.doc]
    assert not silent, f"options without a Doc: {silent}"
    assert isinstance(getattr(kind, "tags", SourceTags()), SourceTags), "tags must be SourceTags"


def _check_rows(source: Any) -> None:
    import polars as pl

    lazy = source.scan()
    assert isinstance(lazy, pl.LazyFrame), "scan() returns a LazyFrame"
    schema = lazy.collect_schema()
    names = schema.names()
    assert names and len(set(names)) == len(names), "columns have names, each once"
    whole = lazy.collect()
    assert whole.height > 0, "an example has rows"
    assert whole.schema == schema, "the rows have the types that the schema promises"
    assert lazy.collect().equals(whole), "a scan can be collected again"
    assert source.scan().collect().equals(whole), "a second scan gives the same rows"
    assert lazy.head(1).collect().equals(whole.head(1)), "some rows are the first rows"
    last = names[-1]
    assert lazy.select(last).collect().equals(whole.select(last)), "one column is that column"
    assert lazy.filter(pl.col(last).is_null()).collect().equals(whole.filter(pl.col(last).is_null())), "a filter holds"
    batches = list(lazy.collect_batches(chunk_size=1, maintain_order=True))
    assert pl.concat(batches).equals(whole), "batches are the rows in their order"


def _check_fingerprint(source: Any) -> None:
    first = source.fingerprint()
    assert isinstance(first, str) and first, "the fingerprint is a text"
    assert source.fingerprint() == first, "the fingerprint is stable"


def _check_optional(source: Any) -> None:
    if hasattr(source, "files"):
        files = source.files()
        assert files and all(isinstance(name, str) and path.is_file() for name, path in files.items()), (
            "files() names local files"
        )
        roots = {str(path.parent) for path in files.values()}
        assert not any(root in name for root in roots for name in files), "names are the same on every machine"
    if hasattr(source, "place"):
        assert isinstance(source.place(0), str), "place() is a text"
    if hasattr(source, "inferred"):
        assert all(item.reason for item in source.inferred()), "what is inferred has a reason"


def _check_file(source: Any, folder: Path) -> None:
    """A file that is gone, empty, a folder or random bytes is one clear error; a changed one is noticed."""
    path = Path(source.url)
    whole = path.read_bytes()
    before = source.fingerprint()

    def fails(what: str, url: str) -> None:
        options = {name: getattr(source, name) for name in options_of(type(source))}
        try:
            type(source)(**{**options, "url": url}).scan().collect()
        except TreadleError as error:
            assert error.where, f"{what}: the message names no place"
        else:
            raise AssertionError(f"{what} raises no TreadleError")

    fails("a missing file", str(folder / "nothing" / path.name))
    ending = "".join(path.suffixes)
    (folder / f"empty{ending}").write_bytes(b"")
    fails("an empty file", str(folder / f"empty{ending}"))
    (folder / f"inner{ending}").mkdir(exist_ok=True)
    fails("a folder", str(folder / f"inner{ending}"))
    (folder / f"noise{ending}").write_bytes(bytes((i * 89 + i // 7) % 256 for i in range(5000)))
    fails("random bytes", str(folder / f"noise{ending}"))
    path.write_bytes(whole + b"\n")
    changed = type(source)(**{name: getattr(source, name) for name in options_of(type(source))}).fingerprint()
    path.write_bytes(whole)
    assert changed != before, "the fingerprint changes with the bytes"
