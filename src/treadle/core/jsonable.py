"""Frozen dataclasses to plain JSON and back, so that every value a stage hands on can lie in a file."""

from __future__ import annotations

import dataclasses
import datetime
import functools
import json
import math
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from treadle.core.errors import TreadleError

T = TypeVar("T")

MAX_JSON_BYTES = 256 * 1024 * 1024


def encode(value: Any) -> Any:
    """``value`` as JSON types: dataclasses become objects, not-a-number and infinities become null."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: encode(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): encode(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        items = sorted(value) if isinstance(value, set | frozenset) else value
        return [encode(item) for item in items]
    if isinstance(value, datetime.datetime | datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "model_dump"):
        return encode(value.model_dump(mode="json"))
    if hasattr(value, "tolist"):
        return encode(value.tolist())
    raise TypeError(f"{type(value).__name__} has no JSON form")


@functools.cache
def _hints(cls: type) -> dict[str, Any]:
    return typing.get_type_hints(cls)


def decode(cls: Any, data: Any) -> Any:
    """The inverse of `encode` for the annotation ``cls``: dataclasses, tuples, mappings, optionals, plain values."""
    origin = typing.get_origin(cls)
    if data is None:
        return float("nan") if cls is float else None
    if origin in (types.UnionType, typing.Union):
        kinds = [kind for kind in typing.get_args(cls) if kind is not type(None)]
        if len(kinds) == 1:
            return decode(kinds[0], data)
        return data
    if origin is tuple:
        arguments = typing.get_args(cls)
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            return tuple(decode(arguments[0], item) for item in data)
        return tuple(decode(kind, item) for kind, item in zip(arguments, data, strict=True))
    if origin is list:
        return [decode(typing.get_args(cls)[0], item) for item in data]
    if origin is frozenset:
        return frozenset(data)
    if origin is not None and isinstance(origin, type) and issubclass(origin, Mapping):
        return {key: decode(typing.get_args(cls)[1], item) for key, item in data.items()}
    if dataclasses.is_dataclass(cls) and isinstance(cls, type):
        hints = _hints(cls)
        known = {field.name for field in dataclasses.fields(cls)}
        return cls(**{key: decode(hints[key], item) for key, item in data.items() if key in known})
    if cls is Path:
        return Path(data)
    if cls is float and isinstance(data, int) and not isinstance(data, bool):
        return float(data)
    return data


def dumps(value: Any, *, indent: int | None = None) -> str:
    """Canonical JSON text: sorted keys, no spaces unless indented, so equal values give equal text."""
    separators = (",", ":") if indent is None else (",", ": ")
    return json.dumps(encode(value), sort_keys=True, separators=separators, indent=indent, ensure_ascii=False)


def read_json(path: Path, *, limit: int = MAX_JSON_BYTES) -> Any:
    """Parse a JSON file of at most ``limit`` bytes."""
    try:
        size = path.stat().st_size
        if size > limit:
            raise TreadleError(f"the file holds {size:,} bytes", where=path, expected=f"at most {limit:,} bytes")
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        raise TreadleError("the file is missing", where=path) from None
    except (ValueError, RecursionError) as error:
        raise TreadleError(f"not valid JSON ({error})", where=path) from None
