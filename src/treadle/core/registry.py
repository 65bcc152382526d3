"""Components found by where they lie: ``metrics/accuracy.py`` is the metric ``accuracy``. Nothing registers itself.

A third party adds one through the entry-point group ``treadle.<group>``.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import pkgutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from treadle.core.errors import TreadleError, did_you_mean, listing, raise_all
from treadle.core.options import Option, options_of

GROUPS = (
    "sources",
    "modalities",
    "transforms",
    "models",
    "metrics",
    "drift",
    "explain",
    "streams",
    "compute",
    "targets",
)


@functools.cache
def _entry_points() -> Any:
    """All entry points of this environment: reading them takes as long as reading those of one group."""
    from importlib.metadata import entry_points

    return entry_points()


@functools.cache
def _plugins(group: str) -> dict[str, Any]:
    return {entry.name: entry for entry in _entry_points().select(group=f"treadle.{group}")}


@functools.cache
def names(group: str) -> tuple[str, ...]:
    """All names of a group, sorted; nothing of it is imported. Files that begin with ``_`` are helpers."""
    folder = Path(__file__).parent.parent / group
    own = {module.name for module in pkgutil.iter_modules([str(folder)]) if not module.name.startswith("_")}
    return tuple(sorted(own | set(_plugins(group))))


def load(group: str, name: str, *, where: object = None) -> Any:
    """The component: imports its one file and returns what ``COMPONENT`` says there."""
    if name not in names(group):
        raise TreadleError(
            f"unknown {group.removesuffix('s')} {name!r}{did_you_mean(name, names(group))}",
            where=where,
            expected=f"one of {listing(names(group), 60)}",
        )
    if name in _plugins(group):
        return _plugins(group)[name].load()
    return importlib.import_module(f"treadle.{group}.{name}").COMPONENT


def file_of(group: str, name: str) -> Path | None:
    """The file a component lies in."""
    own = Path(__file__).parent.parent / group / f"{name}.py"
    if own.exists():
        return own
    entry = _plugins(group).get(name)
    spec = importlib.util.find_spec(entry.module) if entry else None
    return Path(spec.origin) if spec and spec.origin else None


def missing(component: Any) -> tuple[str, ...]:
    """The libraries that a component needs and that are not installed."""
    required = getattr(getattr(component, "tags", None), "requires", ())
    return tuple(library for library in required if importlib.util.find_spec(library) is None)


def require(component: Any, name: str, *, where: object = None) -> None:
    """Raise the one clear error when a library that the component needs is not installed."""
    absent = missing(component)
    if absent:
        extra = getattr(component.tags, "extra", None)
        command = f"pip install 'treadle[{extra}]'" if extra else f"pip install {' '.join(absent)}"
        raise TreadleError(f"{name} needs {listing(absent)}, which is not installed", where=where, remedy=command)


def check_options(component: Any, options: Mapping[str, Any], *, name: str, where: object = None) -> dict[str, Any]:
    """``options`` with their types settled; every wrong name, type and range is reported at once."""
    from pydantic import TypeAdapter, ValidationError

    known = options_of(component)
    problems: list[TreadleError] = []
    checked: dict[str, Any] = {}
    options = _named(known, options, name, where)
    for key, value in options.items():
        place = f"{where}.{key}" if where else key
        option = known.get(key)
        if option is None:
            expected = f"one of {listing(sorted(known))}" if known else "no options at all"
            hint = did_you_mean(key, known)
            problems.append(TreadleError(f"{name} has no option {key!r}{hint}", where=place, expected=expected))
            continue
        try:
            settled = TypeAdapter(option.type).validate_python(value, strict=False)
        except ValidationError as error:
            first = error.errors()[0]["msg"]
            problems.append(TreadleError(f"got {value!r} ({first})", where=place, expected=_kind(option)))
            continue
        span = option.range
        if span and isinstance(settled, int | float) and not isinstance(settled, bool):
            if (span.low is not None and settled < span.low) or (span.high is not None and settled > span.high):
                problems.append(TreadleError(f"got {value!r}", where=place, expected=_kind(option)))
                continue
        checked[key] = settled
    problems.extend(
        TreadleError(f"{name} needs the option {key!r}", where=where, expected=_kind(option))
        for key, option in known.items()
        if option.required and key not in options
    )
    raise_all(problems)
    return checked


def _named(known: Mapping[str, Option], options: Mapping[str, Any], name: str, where: object) -> Mapping[str, Any]:
    """Options in which a value without a name (``{clip: 0}``, kept as ``_``) has that of the component's first one."""
    if "_" not in options:
        return options
    rest = {key: value for key, value in options.items() if key != "_"}
    if options["_"] is None:
        return rest
    if not known or next(iter(known)) in rest:
        expected = f"options by name: {listing(known)}" if known else "no options at all"
        raise TreadleError(f"{name} cannot take {options['_']!r}", where=where, expected=expected)
    return {next(iter(known)): options["_"], **rest}


def build(group: str, name: str, options: Mapping[str, Any] | None = None, *, where: object = None) -> Any:
    """A fresh instance of a component with checked options."""
    component = load(group, name, where=where)
    require(component, name, where=where)
    return component(**check_options(component, options or {}, name=name, where=where))


def _kind(option: Option) -> str:
    text = getattr(option.type, "__name__", str(option.type)) if option.choices is None else ""
    if option.choices is not None:
        text = f"one of {listing(map(repr, option.choices))}"
    elif not isinstance(option.type, type):
        text = str(option.type).replace("typing.", "")
    if option.range:
        low = "" if option.range.low is None else f" from {option.range.low:g}"
        high = "" if option.range.high is None else f" to {option.range.high:g}"
        text += low + high
    return text
