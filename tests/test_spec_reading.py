"""Every mistake in the spec is told with its line, and all of them at once."""

from __future__ import annotations

import json

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from treadle.core.errors import TreadleError
from treadle.core.types import Field, Schema
from treadle.spec.base import seconds
from treadle.spec.complete import complete
from treadle.spec.read import json_schema, parse_spec, read_spec, resolve_secrets, to_yaml
from treadle.spec.spec import Spec

SMALL = "data: {source: a.csv, target: y}\n"


def problem(text: str) -> str:
    with pytest.raises(TreadleError) as caught:
        parse_spec(text)
    return caught.value.message()


def test_the_smallest_spec():
    spec = parse_spec(SMALL)
    assert spec.data.source == "a.csv" and spec.split.test == 0.2 and spec.model.name is None


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("data: {source: a.csv}\nmodle: {}\n", "treadle.yaml:2:1", "unknown key 'modle' (did you mean 'model'?)"),
        ("data:\n  source: a.csv\n  taget: y\n", "treadle.yaml:3:3", "did you mean 'target'?"),
        ("data:\n  target: y\n", "treadle.yaml:1:1", "'data.source' is missing"),
        ("data:\n  source: a.csv\n  source: b.csv\n", "treadle.yaml:3:3", "stands here twice"),
        ("data: [source\n", "treadle.yaml:2:1", "not valid YAML"),
        ("", "treadle.yaml", "the spec is empty"),
        ("- a\n- b\n", "treadle.yaml", "not a mapping"),
        (SMALL + "treadle: 99\n", "treadle.yaml:2:1", "format 99"),
        (SMALL + "split: {test: 1.5}\n", "treadle.yaml:2:9", "less than 1, got 1.5"),
        (SMALL + "split: {test: 0.6, valid: 0.5}\n", "treadle.yaml:2", "nothing is left to train on"),
        (SMALL + "model: {tune: {budget: soon}}\n", "treadle.yaml:2", "a duration such as 90s"),
        (SMALL + "task: clasification\n", "treadle.yaml:2:1", "'classification'"),
    ],
)
def test_mistakes_have_a_place(text, place, words):
    message = problem(text)
    assert message.startswith(place), message
    assert words in message, message


def test_all_mistakes_come_at_once():
    message = problem("data: {source: a.csv, taget: y}\nsplit: {tset: 0.2}\n")
    assert "taget" in message and "tset" in message


def test_hostile_yaml_runs_no_code(tmp_path):
    marker = tmp_path / "ran"
    message = problem(f"data: !!python/object/apply:os.system ['touch {marker}']\n")
    assert "not valid YAML" in message and not marker.exists()


def test_a_spec_that_is_not_utf8(tmp_path):
    (tmp_path / "treadle.yaml").write_bytes(b"data:\n  source: caf\xe9.csv\n")
    with pytest.raises(TreadleError, match=r"treadle.yaml:2: the file is not UTF-8"):
        read_spec(tmp_path)


def test_there_is_no_spec(tmp_path):
    with pytest.raises(TreadleError, match="there is no spec here"):
        read_spec(tmp_path)


def test_overrides_win_over_the_file():
    spec = parse_spec(SMALL, overrides=["model.options.max_depth=8", "split.test=0.3", "model.name=[a, b]"])
    assert spec.model.options == {"max_depth": 8} and spec.split.test == 0.3 and spec.model.name == ("a", "b")
    with pytest.raises(TreadleError, match="cannot read --set"):
        parse_spec(SMALL, overrides=["nonsense"])
    with pytest.raises(TreadleError, match="'source' is not a section"):
        parse_spec(SMALL, overrides=["data.source.x=1"])


def test_secrets_come_from_the_environment(monkeypatch):
    monkeypatch.setenv("DB_PASSWORD", "hunter2")
    assert resolve_secrets("postgresql://u:$DB_PASSWORD@h/d", where="x") == "postgresql://u:hunter2@h/d"
    assert resolve_secrets("postgresql://u:${DB_PASSWORD}x@h/d", where="x") == "postgresql://u:hunter2x@h/d"
    with pytest.raises(TreadleError, match="NOT_THERE is not set"):
        resolve_secrets("$NOT_THERE", where="data.source")


def test_the_written_spec_reads_back_and_keeps_secrets_out(monkeypatch):
    monkeypatch.setenv("DB_PASSWORD", "hunter2")
    spec = parse_spec(
        "data: {source: 'postgresql://u:$DB_PASSWORD@h/d', query: t, target: y}\nfeatures: {a: [clip, {log: {}}]}\n"
    )
    text = to_yaml(spec)
    assert "hunter2" not in text and "$DB_PASSWORD" in text
    assert parse_spec(text) == spec


def test_the_json_schema_accepts_what_the_reader_accepts():
    import jsonschema

    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(yaml.safe_load(SMALL), schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"data": {"source": "a.csv", "taget": "y"}}, schema)
    assert "A file, folder, glob" in json.dumps(schema)


@given(
    st.dictionaries(
        st.sampled_from(["data", "split", "model", "x"]),
        st.none()
        | st.integers()
        | st.text()
        | st.lists(st.integers())
        | st.dictionaries(st.text(max_size=5), st.integers()),
    )
)
def test_no_spec_makes_a_traceback(data):
    try:
        assert isinstance(parse_spec(yaml.safe_dump(data)), Spec)
    except TreadleError as error:
        assert error.message()


@pytest.mark.parametrize(("text", "value"), [("90s", 90), ("5m", 300), ("1.5h", 5400), ("7d", 604800), ("2ms", 0.002)])
def test_durations(text, value):
    assert seconds(text) == pytest.approx(value)


def _schema(kind: str, **facts: object) -> Schema:
    target = Field("y", kind, facts.pop("dtype", "String"), "target", **facts)  # type: ignore[arg-type]
    return Schema((Field("x", "number", "Float64"), target), target="y")


@pytest.mark.parametrize(
    ("schema", "task"),
    [
        (_schema("category", categories=("a", "b")), "classification"),
        (_schema("number", dtype="Int64", unique=3), "classification"),
        (_schema("number", dtype="Int64", unique=500), "regression"),
        (_schema("number", dtype="Float64", unique=3), "regression"),
        (Schema((Field("x", "number", "Float64"),)), "clustering"),
    ],
)
def test_the_task_is_inferred_with_a_reason(schema, task):
    spec, inferred = complete(parse_spec(SMALL), schema, folder="demo")
    assert spec.task == task and spec.name == "demo"
    reasons = {item.path: item.reason for item in inferred}
    assert set(reasons) >= {"task", "name", "split.method", "model.name", "evaluate.metrics"} and all(reasons.values())


def test_a_model_that_cannot_do_the_task():
    with pytest.raises(TreadleError, match="kmeans cannot do classification"):
        complete(parse_spec(SMALL + "model: {name: kmeans}\n"), _schema("category", categories=("a", "b")), folder="x")


def test_a_regression_needs_numbers():
    with pytest.raises(TreadleError, match="regression needs a number"):
        complete(parse_spec(SMALL + "task: regression\n"), _schema("category", categories=("a", "b")), folder="x")
