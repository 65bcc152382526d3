"""Ingestion: types, kinds, roles, versions, and what is refused."""

from __future__ import annotations

import gzip
import random
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from treadle.core.errors import Interrupted, Problems, TreadleError
from treadle.core.events import Event, Events
from treadle.core.frames import RowHash
from treadle.spec.read import parse_spec
from treadle.stages import ingest
from treadle.stages.values import Dataset, Job

Ingest = Callable[..., tuple[Dataset, pl.DataFrame]]


@pytest.fixture
def run(tmp_path: Path) -> Ingest:
    def go(spec: str, *, events: Events | None = None, project: Path = tmp_path) -> tuple[Dataset, pl.DataFrame]:
        folder = tmp_path / f"out{random.randrange(10**9)}"
        folder.mkdir()
        workspace = project / ".treadle"
        workspace.mkdir(exist_ok=True)
        job = Job(parse_spec(spec), folder, project, workspace, {}, events or Events(), folder)
        dataset = ingest.run(job)
        assert [path.name for path in folder.iterdir()] == ["data.parquet"]
        frame = pl.read_parquet(folder / "data.parquet")
        assert frame.height == dataset.rows and tuple(frame.columns) == dataset.schema.names
        assert [str(dtype) for dtype in frame.dtypes] == [field.dtype for field in dataset.schema.fields]
        return dataset, frame

    return go


def table(rows: int = 200) -> str:
    rng = random.Random(0)
    lines = ["id,age,code,flag,when,city,price,same,gone,y"]
    for i in range(rows):
        city = rng.choice(["Oslo", "Rome", "Lima"])
        price = f"{rng.random() * 100:.2f}" if i % 10 else "NA"
        lines.append(
            f"{i + 1}, {rng.randrange(18, 80)},00{rng.randrange(10)},{rng.choice(['true', 'False'])},"
            f"{i % 28 + 1:02d}.{i % 12 + 1:02d}.2024,{city},{price},x,,{rng.choice(['yes', 'no'])}"
        )
    return "\n".join(lines) + "\n"


def test_types_kinds_and_roles(run: Ingest, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(table())
    dataset, frame = run("data: {source: t.csv, target: y, drop: [city]}")
    schema = dataset.schema
    assert {f.name: (f.kind, f.role) for f in schema.fields} == {
        "id": ("id", "dropped"), "age": ("number", "feature"), "code": ("category", "feature"),
        "flag": ("boolean", "feature"), "when": ("time", "feature"), "city": ("category", "dropped"),
        "price": ("number", "feature"), "same": ("category", "dropped"), "gone": ("category", "dropped"),
        "y": (schema.field("y").kind, "target"),
    }  # fmt: skip
    assert (
        frame.schema["age"] == pl.Int64 and frame.schema["price"] == pl.Float64 and frame.schema["flag"] == pl.Boolean
    )
    assert frame.schema["when"] == pl.Datetime("us") and frame["when"][12].day == 13
    assert frame["code"].str.starts_with("00").all()
    assert schema.field("price").missing == pytest.approx(0.1)
    assert schema.field("same").reason == "constant" and "missing" in schema.field("gone").reason
    assert schema.field("age").low == frame["age"].min() and schema.field("when").low == frame["when"].min().isoformat()
    assert set(schema.field("y").categories or ()) == {"yes", "no"}
    assert {note.path for note in dataset.inferred} >= {"data.options.separator", "data.options.encoding"}


def test_kinds_said_in_the_spec(run: Ingest, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("zip,n,y\n1,1,a\n2,2,b\n3,x,a\n")
    dataset, frame = run("data: {source: t.csv, target: y, columns: {zip: category, n: category}}")
    assert frame["zip"].to_list() == ["1", "2", "3"] and not dataset.schema.field("zip").inferred
    with pytest.raises(TreadleError, match="'x' is no number") as caught:
        run("data: {source: t.csv, target: y, columns: {n: number}}")
    assert caught.value.where == "t.csv:4: column 'n'"


def test_the_target_is_never_an_identifier(run: Ingest, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("x,y\n" + "".join(f"{i % 7},{i}\n" for i in range(100)))
    field = run("data: {source: t.csv, target: y}")[0].schema.field("y")
    assert (field.kind, field.role) == ("number", "target")


# -- one bad value among many


def numbers(rows: int, bad: dict[int, str]) -> str:
    return "a,y\n" + "".join(f"{bad.get(i, i * 0.5)},{i % 2}\n" for i in range(rows))


def test_a_late_bad_value_names_its_line(run: Ingest, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(numbers(60_000, {59_999: "abc"}))
    with pytest.raises(TreadleError, match="'abc' is no number") as caught:
        run("data: {source: t.csv, target: y}")
    assert caught.value.where == "t.csv:60001: column 'a'" and "category" in str(caught.value.remedy)
    assert run("data: {source: t.csv, target: y, drop: [a]}")[0].rows == 60_000
    assert run("data: {source: t.csv, target: y, columns: {a: category}}")[1]["a"][-1] == "abc"


def test_many_bad_values_make_it_text(run: Ingest, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(numbers(500, {i: f"v{i % 3}" for i in range(0, 500, 5)}))
    dataset, frame = run("data: {source: t.csv, target: y}")
    assert frame.schema["a"] == pl.String and dataset.schema.field("a").kind == "category"


def test_late_fractions_widen_a_column(run: Ingest, tmp_path: Path) -> None:
    lines = [f"{i % 1000}" for i in range(50_000)]
    lines[-2] = "0.25"
    (tmp_path / "t.csv").write_text("a,y\n" + "".join(f"{value},{i % 2}\n" for i, value in enumerate(lines)))
    _, frame = run("data: {source: t.csv, target: y}")
    assert frame.schema["a"] == pl.Float64 and frame["a"][-2] == 0.25


def test_strange_numbers(run: Ingest, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(
        "big,inf,exp,y\n" + "".join(f"{10**20 + i},{'inf' if i == 3 else i},{i}e3,{i % 2}\n" for i in range(50))
    )
    _, frame = run("data: {source: t.csv, target: y}")
    assert frame["big"].n_unique() == 50 and frame.schema["big"] == pl.String
    assert frame["inf"].null_count() == 1 and frame["inf"].max() == 49.0
    assert frame["exp"][2] == 2000.0


def test_a_late_bad_date_names_its_line(run: Ingest, tmp_path: Path) -> None:
    lines = [f"2024-01-{i % 28 + 1:02d},{i % 2}" for i in range(30_000)]
    lines[-1] = "soon,1"
    (tmp_path / "t.csv").write_text("d,y\n" + "\n".join(lines) + "\n")
    with pytest.raises(TreadleError, match="soon") as caught:
        run("data: {source: t.csv, target: y}")
    assert caught.value.where == "t.csv:30001: column 'd'"


# -- versions


def test_the_version_is_the_content(run: Ingest, tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    for name in ("t.csv", "deep/other.csv"):
        (tmp_path / name).write_text(table())
    first = run("data: {source: t.csv, target: y}")[0]
    assert run("data: {source: deep/other.csv, target: y}")[0].version == first.version
    assert run("data: {source: t.csv, target: y, options: {separator: ','}}")[0].version == first.version
    assert run("data: {source: t.csv, target: y, limit: 50}")[0].version != first.version
    (tmp_path / "t.csv").write_text(table(199))
    assert run("data: {source: t.csv, target: y}")[0].version != first.version


def test_the_version_of_a_database_is_its_rows(run: Ingest, tmp_path: Path) -> None:
    for name, order in (("a.db", "x, y"), ("b.db", "x, y")):
        with sqlite3.connect(tmp_path / name) as connection:
            if name == "b.db":
                connection.execute("CREATE TABLE other (z)")
            connection.execute(f"CREATE TABLE t ({order})")
            connection.executemany("INSERT INTO t VALUES (?, ?)", [(i, "ab"[i % 2]) for i in range(30)])
    one, two = (run(f"data: {{source: 'sqlite:///{name}', query: t, target: y}}")[0] for name in ("a.db", "b.db"))
    assert one.version == two.version
    shorter = run("data: {source: 'sqlite:///a.db', query: SELECT * FROM t WHERE x < 20, target: y}")[0]
    assert shorter.version != one.version and shorter.rows == 20


@given(st.lists(st.tuples(st.one_of(st.none(), st.integers(-9, 9)), st.one_of(st.none(), st.text(max_size=3))),
                min_size=1, max_size=30), st.integers(1, 30))  # fmt: skip
@settings(max_examples=50, deadline=None)
def test_row_hash_does_not_see_batches(rows: list[tuple[Any, Any]], size: int) -> None:
    frame = pl.DataFrame(rows, schema={"n": pl.Int64, "t": pl.String}, orient="row")
    whole, parts, other = RowHash(), RowHash(), RowHash()
    whole.update(frame)
    for start in range(0, frame.height, size):
        parts.update(frame[start : start + size])
    assert whole.hexdigest() == parts.hexdigest()
    other.update(frame.with_columns(pl.col("t").fill_null("") + "x"))
    assert other.hexdigest() != whole.hexdigest()


def test_unchanged_files_are_not_hashed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".treadle").mkdir()
    path = tmp_path / "t.csv"
    path.write_text(table())
    data = parse_spec("data: {source: t.csv, target: y}").data
    monkeypatch.setattr(time, "time", lambda: path.stat().st_mtime + 60)
    first = ingest.source_fingerprint(data, tmp_path)
    monkeypatch.setattr("treadle.core.files.hash_file", lambda path: pytest.fail("hashed again"))
    assert ingest.source_fingerprint(data, tmp_path) == first
    monkeypatch.undo()
    path.write_text(table(199))
    assert ingest.source_fingerprint(data, tmp_path) != first


# -- bad input


def test_all_misspelt_columns_at_once(run: Ingest, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(table())
    with pytest.raises(Problems) as caught:
        run("data: {source: t.csv, target: yy, time: wen, drop: [cty], sensitive: [aeg], columns: {prize: number}}")
    places = [(problem.where, problem.problem) for problem in caught.value.problems]
    assert [place for place, _ in places] == [
        "data.target", "data.time", "data.drop", "data.sensitive", "data.columns"
    ]  # fmt: skip
    assert all("did you mean" in problem for _, problem in places)


@pytest.mark.parametrize(
    ("text", "spec", "message"),
    [
        ("a,y\n", "target: y", "no rows"),
        ("a,y\n1,\n2,NA\n", "target: y", "nothing but missing"),
        ("a,y\n1,x\n2,x\n", "target: y", "one value only \\('x'\\)"),
        ("a,y\n1,p\n2,q\n", "target: y, positive: r", "no class 'r'"),
        ("a,y\n1,p\n2,q\n", "target: y, drop: [y]", "target 'y' is dropped"),
        ("a,y\nred,p\nblue,q\n", "target: y, time: a", "of kind category"),
        ("a,y\nred,p\nblue,q\n", "target: y, weight: a", "of kind category"),
        ("a,y\n1,p\n2,q\n", "target: y, query: t", "only for databases"),
        ("a,y\n1,p\n2,q\n", "target: y, options: {seperator: ';'}", "did you mean 'separator'"),
    ],
)
def test_mistakes(run: Ingest, tmp_path: Path, text: str, spec: str, message: str) -> None:
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(TreadleError, match=message):
        run(f"data: {{source: t.csv, {spec}}}")


def test_no_such_file(run: Ingest, tmp_path: Path) -> None:
    (tmp_path / "income.csv").write_text("a,y\n1,2\n")
    with pytest.raises(TreadleError, match=r"did you mean 'income\.csv'") as caught:
        run("data: {source: incme.csv, target: y}")
    assert caught.value.where == "incme.csv"


def test_damaged_parquet_inside(run: Ingest, tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pl.DataFrame({"a": [f"v{i}" for i in range(5000)], "y": [i % 2 for i in range(5000)]}).write_parquet(path)
    data = bytearray(path.read_bytes())
    data[50 : len(data) // 2] = bytes(len(data) // 2 - 50)
    path.write_bytes(bytes(data))
    with pytest.raises(TreadleError, match="cannot be read"):
        run("data: {source: t.parquet, target: y}")


def test_secrets_stay_out_of_everything(run: Ingest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DB_PASSWORD", "hush-s3cret")
    with pytest.raises(TreadleError) as caught:
        run("data: {source: 'postgresql://ada:$DB_PASSWORD@127.0.0.1:1/x', query: t, target: y}")
    assert "hush" not in caught.value.message()
    monkeypatch.setenv("NAME", "hush-s3cret")
    with pytest.raises(TreadleError) as caught:
        run("data: {source: 'sample://$NAME', target: y}")
    assert "hush" not in caught.value.message()
    with pytest.raises(TreadleError, match="NOT_SET is not set"):
        run("data: {source: 'sample://$NOT_SET', target: y}")


# -- streaming


def test_progress_and_stop(run: Ingest, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(numbers(300_000, {}))
    seen: list[Event] = []
    run("data: {source: t.csv, target: y}", events=Events(seen.append))
    assert [event.done for event in seen if event.text == "reading"] == sorted(
        event.done for event in seen if event.text == "reading"
    )
    assert seen[-1].done == seen[-1].total == 300_000
    events = Events()
    events.stop()
    with pytest.raises(Interrupted):
        run("data: {source: t.csv, target: y}", events=events)


def test_rows_keep_their_order_across_batches(run: Ingest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingest, "CELLS", 2_000)
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(numbers(20_000, {}).encode()))
    _, frame = run("data: {source: t.csv.gz, target: y}")
    assert frame["a"].to_list() == [i * 0.5 for i in range(20_000)]
    limited, some = run("data: {source: t.csv.gz, target: y, limit: 1234}")
    assert limited.rows == 1234 and some["a"].to_list() == frame["a"].head(1234).to_list()


@given(st.lists(st.integers(1, 60), min_size=1, max_size=20), st.integers(1, 20))
@settings(max_examples=50, deadline=None)
def test_the_sample_is_spread_evenly(sizes: list[int], least: int) -> None:
    spread, seen = ingest.Spread(least), 0
    for size in sizes:
        spread.add(pl.DataFrame({"i": range(seen, seen + size)}))
        seen += size
    found = spread.frame()["i"]
    assert min(seen, least) <= len(found) <= 2 * least + 1
    assert found[0] == 0 and found.diff().drop_nulls().n_unique() <= 1
    assert len(found) < 2 or seen - found[-1] <= found[1] - found[0]


def test_several_sources(run: Ingest, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x,y\n1,p\n2,q\n")
    pl.DataFrame({"y": ["p"], "x": [3.5]}).write_parquet(tmp_path / "b.parquet")
    dataset, frame = run("data: {source: [a.csv, b.parquet], target: y}")
    assert frame.to_dict(as_series=False) == {"x": [1.0, 2.0, 3.5], "y": ["p", "q", "p"]}
    assert dataset.source == ("a.csv", "b.parquet")


def test_parquet_types(run: Ingest, tmp_path: Path) -> None:
    import datetime
    from decimal import Decimal

    pl.DataFrame(
        {
            "f": [1.0, float("nan"), float("inf"), 2.0],
            "d": [Decimal("1.5"), None, Decimal("2"), Decimal("3")],
            "l": [[1, 2], [], None, [3]],
            "s": [{"k": 1}, {"k": 2}, {"k": 1}, None],
            "t": [datetime.timedelta(seconds=i) for i in range(4)],
            "c": pl.Series(["a", "b", "a", "b"], dtype=pl.Categorical),
            "b": [b"x", b"y", b"z", b"w"],
            "n": pl.Series([None] * 4),
            "u": pl.Series([2**63, 1, 2, 3], dtype=pl.UInt64),
            "y": [True, False, True, None],
        }
    ).write_parquet(tmp_path / "t.parquet")
    dataset, frame = run("data: {source: t.parquet, target: y}")
    assert frame["f"].to_list() == [1.0, None, None, 2.0]
    assert dataset.schema.field("d").dtype == "Float64" and frame["t"].to_list() == [0.0, 1.0, 2.0, 3.0]
    assert frame["l"].to_list() == ["[1, 2]", "[]", None, "[3]"] and dataset.schema.field("b").role == "dropped"
    assert dataset.rows == 4 and frame["y"].null_count() == 1
