"""Separated text: what is inferred, and what is refused with its line."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import lzma
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from treadle.core.errors import TreadleError
from treadle.core.values import MISSING
from treadle.sources.csv import Csv


def read(path: Path, data: bytes, **options: Any) -> dict[str, list[Any]]:
    path.write_bytes(data)
    return Csv(url=str(path), **options).scan().collect().to_dict(as_series=False)


def inferred(path: Path) -> dict[str, Any]:
    return {item.path.removeprefix("data.options."): item.value for item in Csv(url=str(path)).inferred()}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "x.csv"


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"a,b\n 1, x\n2 , ?\n", {"a": ["1", "2"], "b": ["x", None]}),
        (b"a;b\n1;x\n2;y\n", {"a": ["1", "2"], "b": ["x", "y"]}),
        (b"a\tb\n1\tx, y\n2\ty\n", {"a": ["1", "2"], "b": ["x, y", "y"]}),
        (b"a|b\n1|x\n", {"a": ["1"], "b": ["x"]}),
        (b"a,b\r\n1,x\r\n\r\n2,y\r\n", {"a": ["1", "2"], "b": ["x", "y"]}),
        (b'a,b\n1,"x\ny"\n2,"say ""hi"""\n', {"a": ["1", "2"], "b": ["x\ny", 'say "hi"']}),
        (b'a, b\n1, "x, y"\n2, "z"\n3, "v, w"\n', {"a": ["1", "2", "3"], "b": ["x, y", "z", "v, w"]}),
        (b"a\n1\n2\n", {"a": ["1", "2"]}),
        (b",b\n1,x\n", {"column_1": ["1"], "b": ["x"]}),
        (b"1,x\n2,y\n", {"column_1": ["1", "2"], "column_2": ["x", "y"]}),
        (b"land,2019,2020\nx,1,2\n", {"land": ["x"], "2019": ["1"], "2020": ["2"]}),
        (b"a;b\n1,5;x\n2;y, z\n", {"a": ["1.5", "2"], "b": ["x", "y, z"]}),
        (b"a,b\nNA,n/a\nnan,-\n", {"a": [None, None], "b": [None, None]}),
        (b"a,b\n", {"a": [], "b": []}),
    ],
)
def test_read(path: Path, data: bytes, expected: dict[str, Any]) -> None:
    assert read(path, data) == expected


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252", "latin-1"])
def test_encodings(path: Path, encoding: str) -> None:
    assert read(path, "größe,café\n1,naïve\n".encode(encoding)) == {"größe": ["1"], "café": ["naïve"]}


@pytest.mark.parametrize(
    ("ending", "pack"),
    [(".gz", gzip.compress), (".bz2", bz2.compress), (".xz", lzma.compress), ("", gzip.compress)],
)
def test_packed(tmp_path: Path, ending: str, pack: Any) -> None:
    assert read(tmp_path / f"x.csv{ending}", pack(b"a,b\n1,2\n")) == {"a": ["1"], "b": ["2"]}


def test_zip(tmp_path: Path) -> None:
    path = tmp_path / "x.csv.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("inner.csv", "a,b\n1,2\n")
    assert Csv(url=str(path)).scan().collect().to_dict(as_series=False) == {"a": ["1"], "b": ["2"]}
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("other.csv", "a,b\n1,2\n")
    with pytest.raises(TreadleError, match="holds 2 files"):
        Csv(url=str(path)).scan()


LONG = b"a,b\n" + b"1,2\n" * 600_000


@pytest.mark.parametrize(
    ("data", "where", "message"),
    [
        (b"", "x.csv", "empty"),
        (b"\n \n", "x.csv", "empty"),
        (b"a,a\n1,2\n", "x.csv:1", "names 'a' twice"),
        (b"a,b\n1,2\n3\n", "x.csv:3", "has 1 value"),
        (b'a,b\n1,"x\ny"\n\n3,4,5\n', "x.csv:5", "has 3 values"),
        (LONG + b"1,2,3\n", "x.csv:600002", "has 3 values"),
        (LONG + b"1,\xff\n", "x.csv:600002", "not utf-8"),
        (b"a,b\n1,caf\xc3\xa9\n2,caf\xe9\n", "x.csv:3", "not UTF-8"),
        (b"a,b\n1,\x00\n", "x.csv:2", "not a text file"),
        (b'a,b\n1,2\n3,"x\n4,5\n', "x.csv:3", "never closed"),
    ],
)
def test_mistakes_name_their_line(path: Path, data: bytes, where: str, message: str) -> None:
    with pytest.raises(TreadleError, match=message) as caught:
        read(path, data)
    assert caught.value.where == where


def test_cut_off_gzip(tmp_path: Path) -> None:
    packed = gzip.compress(b"a,b\n" + b"".join(b"%d,%d\n" % (i, i * i % 991) for i in range(300_000)))
    with pytest.raises(TreadleError, match="ends before"):
        read(tmp_path / "x.csv.gz", packed[: len(packed) // 2])
    with pytest.raises(TreadleError, match="ends before"):
        read(tmp_path / "y.csv.gz", packed[:500])


@pytest.mark.parametrize(
    ("options", "where"),
    [({"separator": ";;"}, "data.options.separator"), ({"encoding": "klingon"}, "data.options.enc")],
)
def test_wrong_options(path: Path, options: dict[str, Any], where: str) -> None:
    with pytest.raises(TreadleError) as caught:
        read(path, b"a,b\n1,2\n", **options)
    assert str(caught.value.where).startswith(where)


def test_given_options_win(path: Path) -> None:
    assert read(path, b"1;2\n3;4\n", header=True, separator=";") == {"1": ["3"], "2": ["4"]}
    assert read(path, b"a,b\n1,none at all\n", missing=("none at all",)) == {"a": ["1"], "b": [None]}
    assert read(path, b"a,b\n1,caf\xe9\n", encoding="latin-1")["b"] == ["café"]


def test_what_was_inferred_is_told(path: Path) -> None:
    read(path, b"a;b\n1;x\n")
    assert inferred(path) == {"encoding": "utf-8", "separator": ";", "header": True}


def test_place_counts_lines(path: Path) -> None:
    path.write_bytes(b'a,b\n\n1,"x\ny"\n4,3\n')
    source = Csv(url=str(path))
    assert [source.place(0), source.place(1)] == ["x.csv:3", "x.csv:5"]


VALUES = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=8)


@given(st.lists(st.lists(VALUES, min_size=2, max_size=2), min_size=1, max_size=20))
@settings(max_examples=60, deadline=None)
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]]) -> None:
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL).writerows([["left", "right"], *rows])
    path = tmp_path_factory.mktemp("csv") / "x.csv"
    found = read(path, text.getvalue().encode(), separator=",", header=True)

    def clean(value: str) -> str | None:
        return None if value.strip() in MISSING else value.strip()

    assert found == {"left": [clean(row[0]) for row in rows], "right": [clean(row[1]) for row in rows]}
