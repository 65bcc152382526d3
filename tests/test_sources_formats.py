"""Parquet, JSON, folders, SQLite, samples: rows, fingerprints, and mistakes."""

from __future__ import annotations

import gzip
import json
import os
import sqlite3
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from treadle.core import registry
from treadle.core.errors import TreadleError
from treadle.sources.folder import Folder
from treadle.sources.huggingface import HuggingFace
from treadle.sources.jsonl import Jsonl
from treadle.sources.parquet import Parquet
from treadle.sources.sample import Sample
from treadle.sources.sqlite import Sqlite


def rows(source: Any) -> dict[str, list[Any]]:
    return source.scan().collect().to_dict(as_series=False)


# -- parquet


def test_truncated_parquet(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    pl.DataFrame({"a": range(1000)}).write_parquet(path)
    whole = path.read_bytes()
    for size in (10, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(TreadleError) as caught:
            Parquet(url=str(path)).scan()
        assert caught.value.where == "x.parquet" and caught.value.remedy


# -- json


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b'{"a":1,"b":"x"}\n\n{"b":" y ","c":true}\n', {"a": ["1", None], "b": ["x", "y"], "c": [None, "true"]}),
        (b'\xef\xbb\xbf{"a":"NA"}\n', {"a": [None]}),
        (b'{"a":{"k":[1,2]}}', {"a": ['{"k": [1, 2]}']}),
        (b'[{"a":1},\n {"a":null,"b":0.5}]', {"a": ["1", None], "b": [None, "0.5"]}),
        (b'{"a":1}\n{"a":{"k":1}}\n{"a":"z"}\n', {"a": ["1", '{"k": 1}', "z"]}),
        (b'{"a":"007"}\n{"a":"12345678901234567890"}\n', {"a": ["007", "12345678901234567890"]}),
    ],
)
def test_json(tmp_path: Path, data: bytes, expected: dict[str, Any]) -> None:
    for name, content in (("x.jsonl", data), ("x.json.gz", gzip.compress(data))):
        (tmp_path / name).write_bytes(content)
        assert rows(Jsonl(url=str(tmp_path / name))) == expected


@pytest.mark.parametrize(
    ("data", "where", "message"),
    [
        (b'{"a":1}\n{"a":2,\n', "x.jsonl:2:8", "not valid JSON"),
        (b'{"a":1}\n\n[1]\n', "x.jsonl:3", "holds a list"),
        (b'{"a":"\xff"}\n', "x.jsonl:1", "not UTF-8"),
        (b"[]", "x.jsonl", "list is empty"),
        (b'[{"a":1},2]', "x.jsonl", "item 2"),
        (b'[{"a":1}', "x.jsonl:1:9", "not valid JSON"),
        (b"   \n", "x.jsonl", "empty"),
        (b"{}\n", "x.jsonl", "empty"),
        (b"[" * 100_000, "x.jsonl", "deep|not valid"),
    ],
)
def test_json_mistakes(tmp_path: Path, data: bytes, where: str, message: str) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(data)
    with pytest.raises(TreadleError, match=message) as caught:
        Jsonl(url=str(path)).scan().collect()
    assert caught.value.where is not None and caught.value.where.startswith(where)


def test_json_in_many_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("treadle.sources.jsonl.CHUNK", 50)
    path = tmp_path / "x.jsonl"
    path.write_text("\n".join(json.dumps({"i": i, f"k{i % 3}": "é" * i}) for i in range(40)))
    source = Jsonl(url=str(path))
    found = source.scan().collect()
    assert found["i"].to_list() == [str(i) for i in range(40)] and sorted(found.columns) == ["i", "k0", "k1", "k2"]
    assert source.place(17) == "x.jsonl:18"


# -- folders


def test_folder_in_sorted_order(tmp_path: Path) -> None:
    (tmp_path / "b.csv").write_text("a,b\n3,z\n")
    (tmp_path / "a.csv").write_text("b,a\nx,1\ny,2\n")
    (tmp_path / "_draft.csv").write_text("other\n1\n")
    (tmp_path / "notes.md").write_text("no table")
    source = Folder(url=str(tmp_path))
    assert rows(source) == {"b": ["x", "y", "z"], "a": ["1", "2", "3"]}
    assert source.place(2) == "b.csv:2"
    assert rows(Folder(url=str(tmp_path / "[ab].csv"))) == rows(source)


def test_folder_mixes_formats(tmp_path: Path) -> None:
    pl.DataFrame({"a": [1, 2]}).write_parquet(tmp_path / "1.parquet")
    pl.DataFrame({"a": [0.5]}).write_parquet(tmp_path / "2.parquet")
    assert rows(Folder(url=str(tmp_path))) == {"a": [1.0, 2.0, 0.5]}


def test_folder_with_other_columns(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a,b\n1,2\n")
    (tmp_path / "b.csv").write_text("a,c\n1,2\n")
    with pytest.raises(TreadleError, match="'b' is missing, 'c' is new") as caught:
        Folder(url=str(tmp_path)).scan()
    assert caught.value.where == "b.csv"


def test_folder_without_tables(tmp_path: Path) -> None:
    with pytest.raises(TreadleError, match="no table file"):
        Folder(url=str(tmp_path)).scan()
    with pytest.raises(TreadleError, match="no table file"):
        Folder(url=str(tmp_path / "*.csv")).scan()


def test_folder_fingerprint_is_of_names_and_bytes(tmp_path: Path) -> None:
    for place in ("one", "two"):
        (tmp_path / place / "deep").mkdir(parents=True)
        (tmp_path / place / "deep" / "a.csv").write_text("a\n1\n")
        (tmp_path / place / "b.csv").write_text("a\n2\n")
    one, two = Folder(url=str(tmp_path / "one")), Folder(url=str(tmp_path / "two"))
    assert one.fingerprint() == two.fingerprint()
    (tmp_path / "two" / "b.csv").rename(tmp_path / "two" / "c.csv")
    assert one.fingerprint() != two.fingerprint()


def test_folder_hands_options_on(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a;b\n1;2\n")
    assert rows(Folder(url=str(tmp_path), reading={"separator": ";"})) == {"a": ["1"], "b": ["2"]}
    with pytest.raises(TreadleError, match="did you mean 'separator'"):
        Folder(url=str(tmp_path), reading={"seperator": ";"}).scan()


# -- sqlite


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "shop.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE orders (id INTEGER, price REAL, city TEXT, odd, gone TEXT)")
    connection.executemany(
        "INSERT INTO orders VALUES (?, ?, ?, ?, NULL)", [(1, 2.5, "Oslo", 1), (2, 3, "Rome", "x"), (3, None, None, 2.5)]
    )
    connection.execute("CREATE TABLE blobs (b BLOB)")
    connection.execute("INSERT INTO blobs VALUES (x'00ff')")
    connection.commit()
    connection.close()
    return path


def test_sqlite_table_and_query(database: Path) -> None:
    whole = {"id": [1, 2, 3], "price": [2.5, 3.0, None], "city": ["Oslo", "Rome", None], "odd": ["1", "x", "2.5"],
             "gone": [None] * 3}  # fmt: skip
    assert rows(Sqlite(url=f"sqlite:///{database}", query="orders")) == whole
    assert rows(Sqlite(url=str(database), query="orders")) == whole
    query = "-- the dear ones\nSELECT city, price * 2 AS twice FROM orders WHERE price > 2.6;"
    assert rows(Sqlite(url="sqlite:///shop.db", query=query, folder=str(database.parent))) == {
        "city": ["Rome"], "twice": [6.0]
    }  # fmt: skip


@pytest.mark.parametrize(
    ("query", "message"),
    [
        (None, "needs a query"),
        ("order", "did you mean 'orders'"),
        ("SELECT absent FROM orders", "no such column"),
        ("DROP TABLE orders", "does not read"),
        ("SELECT 1 AS a, 2 AS a", "twice"),
        ("blobs", "binary"),
        ("WITH x AS (SELECT 1 AS a) INSERT INTO blobs SELECT a FROM x", "fails"),
    ],
)
def test_sqlite_mistakes(database: Path, query: str | None, message: str) -> None:
    before = database.read_bytes()
    with pytest.raises(TreadleError, match=message):
        Sqlite(url=f"sqlite:///{database}", query=query).scan().collect()
    assert database.read_bytes() == before


def test_sqlite_that_is_none(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    path.write_bytes(b"not a database at all, but long enough to be one" * 30)
    with pytest.raises(TreadleError, match="not a whole SQLite"):
        Sqlite(url=str(path), query="t").scan()
    with pytest.raises(TreadleError, match="no such file"):
        Sqlite(url=f"sqlite:///{tmp_path}/none.db", query="t").scan()


def test_sqlite_fingerprint_sees_what_is_not_moved_yet(database: Path) -> None:
    source = Sqlite(url=str(database), query="orders")
    connection = sqlite3.connect(database)
    connection.execute("PRAGMA journal_mode = WAL")
    before = source.fingerprint()
    connection.execute("INSERT INTO orders VALUES (4, 4.0, 'Lima', 4, NULL)")
    connection.commit()
    assert source.fingerprint() != before
    assert rows(source)["id"] == [1, 2, 3, 4]
    connection.close()


# -- samples


def test_flights() -> None:
    frame = Sample(url="sample://flights").scan().collect()
    assert frame.height == 327_346
    assert 0.2 < frame["late"].mean() < 0.3
    assert not {"dep_delay", "arr_delay", "dep_time", "arr_time", "air_time", "tailnum"} & set(frame.columns)
    assert frame["time_hour"].is_sorted()
    assert frame["temp"].null_count() < 0.01 * frame.height


@pytest.mark.parametrize(("name", "shape"), [("iris", (150, 5)), ("linnerud", (20, 6)), ("breast-cancer", (569, 31))])
def test_toys(name: str, shape: tuple[int, int]) -> None:
    assert Sample(url=f"sample://{name}").scan().collect().shape == shape


def test_unknown_sample() -> None:
    with pytest.raises(TreadleError, match="did you mean 'flights'"):
        Sample(url="sample://flight").scan()


def test_air_passengers() -> None:
    pytest.importorskip("statsforecast")
    frame = Sample(url="sample://air_passengers").scan().collect()
    assert frame.height == 144 and frame.columns == ["series", "month", "passengers"]


# -- hubs


def test_hugging_face_reads_a_local_folder(tmp_path: Path) -> None:
    pytest.importorskip("datasets")
    place = tmp_path / "data"
    place.mkdir()
    (place / "train.jsonl").write_text('{"text": "good", "label": 1}\n{"text": "bad", "label": 0}\n')
    (place / "test.jsonl").write_text('{"text": "so so", "label": 1}\n')
    options = {"folder": str(tmp_path), "cache": str(tmp_path / "cache")}
    source = HuggingFace(url="hf://./data", **options)
    assert rows(source) == {"text": ["good", "bad"], "label": [1, 0]}
    assert rows(HuggingFace(url=f"hf://{place}", split="test", **options)) == {"text": ["so so"], "label": [1]}
    with pytest.raises(TreadleError, match="did you mean 'test'"):
        HuggingFace(url="hf://./data", split="tets", **options).scan()
    before = source.fingerprint()
    (place / "train.jsonl").write_text('{"text": "good", "label": 1}\n')
    assert source.fingerprint() != before


def test_hugging_face_runs_no_code(tmp_path: Path) -> None:
    pytest.importorskip("datasets")
    place = tmp_path / "evil"
    place.mkdir()
    (place / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    with pytest.raises(TreadleError, match="cannot be loaded"):
        HuggingFace(url=f"hf://{place}", cache=str(tmp_path / "cache")).scan()
    assert not (tmp_path / "ran").exists()


def test_sources_match_each_its_own(tmp_path: Path) -> None:
    urls = {"csv": "/x/a.tsv.gz", "parquet": "/x/a.parquet", "jsonl": "/x/a.json", "sqlite": "sqlite:///a.db",
            "postgresql": "postgresql://h/d", "sample": "sample://iris", "http": "https://h/a.csv", "remote": "s3://b/a.csv",
            "openml": "openml://31", "huggingface": "hf://a/b", "folder": str(tmp_path)}  # fmt: skip
    for name, url in urls.items():
        matching = [other for other in registry.names("sources") if registry.load("sources", other).matches(url)]
        assert matching == [name], url


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_unreadable_file(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("a\n1\n")
    path.chmod(0)
    with pytest.raises(TreadleError, match="permission"):
        registry.load("sources", "csv")(url=str(path)).scan()
