"""Read ``treadle.yaml``: every mistake is told with its line, and all of them at once."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from treadle.core.errors import TreadleError, did_you_mean, listing, raise_all
from treadle.core.files import disk_error, write_text
from treadle.spec.spec import FORMAT, Spec

NAME = "treadle.yaml"
MAX_BYTES = 4 * 1024 * 1024
SECRET = re.compile(r"\$(?:\{([A-Za-z_][A-Za-z0-9_]*)\}|([A-Za-z_][A-Za-z0-9_]*))")
Path_ = tuple[str | int, ...]
Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def find_spec(path: Path) -> Path:
    """The spec's file: ``path`` itself, or ``treadle.yaml`` in that folder."""
    file = path / NAME if path.is_dir() else path
    if not file.is_file():
        raise TreadleError(
            "there is no spec here",
            where=file,
            expected=f"a file {NAME}",
            remedy="run `treadle init` to make one, or name its folder with --project",
        )
    return file


def read_spec(path: Path, overrides: Sequence[str] = ()) -> Spec:
    """Read and check a spec.

    Args:
        path: the file, or the folder it lies in.
        overrides: ``model.options.max_depth=8`` and the like, applied over the file.

    Raises:
        TreadleError: with file, line and column of every mistake.
    """
    file = find_spec(path)
    try:
        raw = file.read_bytes()
    except OSError as error:
        raise disk_error(error, file) from None
    if len(raw) > MAX_BYTES:
        raise TreadleError(f"the spec holds {len(raw):,} bytes", where=file, expected=f"at most {MAX_BYTES:,}")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise TreadleError(
            "the file is not UTF-8 text", where=f"{file.name}:{line}", remedy="save it as UTF-8"
        ) from None
    return parse_spec(text, name=file.name, overrides=overrides)


def parse_spec(text: str, *, name: str = NAME, overrides: Sequence[str] = ()) -> Spec:
    """The same, from text."""
    try:
        node = yaml.compose(text, Loader=Loader)
        marks = dict(_marks(node, ())) if node is not None else {}
        _no_duplicates(node, name)
        data = yaml.load(text, Loader=Loader) if node is not None else None  # noqa: S506 (a safe loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{name}:{mark.line + 1}:{mark.column + 1}" if mark else name
        raise TreadleError(f"not valid YAML: {error.problem}", where=place) from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise TreadleError(f"not valid YAML: {error}", where=name) from None
    if not isinstance(data, dict):
        raise TreadleError("the spec is empty" if data is None else "the spec is not a mapping", where=name,
                           expected="at least `data: {source: FILE, target: COLUMN}`")  # fmt: skip
    for override in overrides:
        _apply(data, override)
    version = data.get("treadle", FORMAT)
    if isinstance(version, int) and version > FORMAT:
        raise TreadleError(
            f"the spec has format {version}, this Treadle reads up to {FORMAT}",
            where=_place(name, marks, ("treadle",)),
            remedy="pip install --upgrade treadle",
        )
    try:
        return Spec.model_validate(data)
    except ValidationError as error:
        raise_all([_problem(item, name, marks) for item in _unique(error)])
        raise AssertionError from error


def _marks(node: Any, path: Path_) -> Iterator[tuple[Path_, tuple[int, int]]]:
    yield path, (node.start_mark.line + 1, node.start_mark.column + 1)
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            inner = (*path, key.value)
            yield from _marks(value, inner)
            yield inner, (key.start_mark.line + 1, key.start_mark.column + 1)
    elif isinstance(node, yaml.SequenceNode):
        for position, item in enumerate(node.value):
            yield from _marks(item, (*path, position))


def _no_duplicates(node: Any, name: str) -> None:
    if isinstance(node, yaml.MappingNode):
        seen = set()
        for key, value in node.value:
            if key.value in seen:
                raise TreadleError(
                    f"the key {key.value!r} stands here twice",
                    where=f"{name}:{key.start_mark.line + 1}:{key.start_mark.column + 1}",
                )
            seen.add(key.value)
            _no_duplicates(value, name)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _no_duplicates(item, name)


def _apply(data: dict[str, Any], override: str) -> None:
    key, found, text = override.partition("=")
    if not found or not all(key.split(".")):
        raise TreadleError(f"cannot read --set {override!r}", expected="KEY=VALUE, such as model.options.max_depth=8")
    try:
        value = yaml.load(text, Loader=Loader)  # noqa: S506 (a safe loader)
    except yaml.YAMLError:
        value = text
    *parents, last = key.split(".")
    place = data
    for parent in parents:
        inner = place.setdefault(parent, {})
        if not isinstance(inner, dict):
            raise TreadleError(f"{parent!r} is not a section", where=f"--set {override}")
        place = inner
    place[last] = value


def _place(name: str, marks: Mapping[Path_, tuple[int, int]], path: Path_) -> str:
    trimmed = path
    while trimmed and trimmed not in marks:
        trimmed = trimmed[:-1]
    line, column = marks.get(trimmed, (1, 1))
    return f"{name}:{line}:{column}"


def _unique(error: ValidationError) -> list[Any]:
    """One problem a place: a union reports each of its members, the first is enough."""
    found: dict[Path_, Any] = {}
    for item in error.errors(include_url=False):
        path = tuple(part for part in item["loc"] if not _is_tag(part))
        found.setdefault(path, {**item, "loc": path})
    return list(found.values())


def _is_tag(part: str | int) -> bool:
    return isinstance(part, str) and (part in ("str", "int", "float", "bool") or "[" in part)


def _problem(item: Any, name: str, marks: Mapping[Path_, tuple[int, int]]) -> TreadleError:
    path: Path_ = item["loc"]
    where = _place(name, marks, path)
    dotted = ".".join(map(str, path))
    if item["type"] == "extra_forbidden":
        known = _keys_at(path[:-1])
        key = str(path[-1])
        return TreadleError(
            f"unknown key {dotted!r}{did_you_mean(key, known)}", where=where, expected=f"one of {listing(known)}"
        )
    if item["type"] == "missing":
        return TreadleError(f"{dotted!r} is missing", where=where, remedy=f"add it: {_example(path)}")
    got = item.get("input")
    shown = json.dumps(got, default=str)[:80]
    message = item["msg"].removeprefix("Value error, ")
    message = message[0].lower() + message[1:]
    return TreadleError(f"{dotted}: {message}, got {shown}" if dotted else message, where=where)


def _example(path: Path_) -> str:
    return "data: {source: FILE, target: COLUMN}" if path[0] == "data" else f"{path[-1]}: ..."


def _keys_at(path: Path_) -> list[str]:
    model: Any = Spec
    for part in path:
        if not (isinstance(model, type) and issubclass(model, BaseModel)):
            return []
        field = model.model_fields.get(str(part))
        model = None if field is None else _model_in(field.annotation)
        if model is None:
            return []
    return list(model.model_fields) if isinstance(model, type) and issubclass(model, BaseModel) else []


def _model_in(annotation: Any) -> Any:
    import typing

    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for found in map(_model_in, typing.get_args(annotation)) if found is not None), None)


def resolve_secrets(text: str, *, where: str) -> str:
    """Replace each ``$NAME`` by the environment's value. The result must never be stored or logged."""

    def look_up(match: re.Match[str]) -> str:
        name = match[1] or match[2]
        if name not in os.environ:
            raise TreadleError(f"the environment variable {name} is not set", where=where, remedy=f"export {name}=...")
        return os.environ[name]

    return SECRET.sub(look_up, text)


def to_yaml(spec: Spec) -> str:
    """The spec as YAML text, defaults written out."""
    data = spec.model_dump(mode="json", exclude_none=True)
    return str(yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=110))


def write_spec(spec: Spec, path: Path) -> None:
    """Write the completed spec."""
    write_text(path, to_yaml(spec))


def json_schema() -> dict[str, Any]:
    """The JSON Schema of the spec, for editors."""
    schema = Spec.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "treadle.yaml", **schema}
