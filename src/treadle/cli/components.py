"""``treadle components``."""

from __future__ import annotations

import typing
from pathlib import Path
from typing import Annotated, Any

import typer

from treadle.cli.base import Answer, Session, verb

EXAMPLE = "treadle components models"

Group = Annotated[
    str | None,
    typer.Argument(help="models, metrics, sources, modalities, transforms, explain, ... Default: all.",
                   show_default=False),
]  # fmt: skip
Name = Annotated[str | None, typer.Argument(help="Only this one.", show_default=False)]


@verb
def components(session: Session, group: Group = None, name: Name = None) -> Answer:
    """Everything that a spec can name: its file, options with their ranges, and the extra it needs."""
    from treadle.cli.draw import draw_components
    from treadle.core import registry
    from treadle.core.errors import TreadleError, did_you_mean, listing

    if group is not None and group not in registry.GROUPS:
        hint = did_you_mean(group, registry.GROUPS)
        raise TreadleError(f"there is no group {group!r}{hint}", expected=f"one of {listing(registry.GROUPS)}")
    groups = registry.GROUPS if group is None else (group,)
    found = [
        describe(one, each)
        for one in groups
        for each in ((name,) if name and registry.load(one, name) else registry.names(one))
    ]
    detailed = group is not None or session.verbose
    return Answer({"components": found}, lambda console: draw_components(console, found, detailed))


def describe(group: str, name: str) -> dict[str, Any]:
    """One component as JSON types."""
    import dataclasses
    import inspect

    from treadle.core import registry
    from treadle.core.options import options_of

    problem = None
    try:
        component = registry.load(group, name)
    except Exception as error:  # a broken plugin must not hide the others
        component, problem = None, f"{type(error).__name__}: {error}".splitlines()[0]
    tags = getattr(component, "tags", None)
    lines = (inspect.getdoc(component) or "").splitlines() if component is not None else []
    file = registry.file_of(group, name)
    return {
        "group": group,
        "name": name,
        "doc": lines[0] if lines else "",
        "file": _short(file),
        "tags": {
            item.name: sorted(value) if isinstance(value := getattr(tags, item.name), frozenset) else value
            for item in (dataclasses.fields(tags) if dataclasses.is_dataclass(tags) else ())
        },
        "options": [
            {
                "name": option.name,
                "type": type_text(option.type),
                "default": option.default,
                "required": option.required,
                "choices": option.choices,
                "low": option.range.low if option.range else None,
                "high": option.range.high if option.range else None,
                "doc": option.doc,
            }
            for option in (options_of(component) if component is not None else {}).values()
        ],
        "extra": getattr(tags, "extra", None),
        "requires": getattr(tags, "requires", ()),
        "missing": registry.missing(component),
        "error": problem,
    }


def type_text(kind: Any) -> str:
    """A type as a person writes it: ``int``, ``str | None``, ``'a' | 'b'``."""
    if typing.get_origin(kind) is typing.Literal:
        return " | ".join(map(repr, typing.get_args(kind)))
    if kind is type(None):
        return "None"
    return kind.__name__ if isinstance(kind, type) and not typing.get_args(kind) else str(kind).replace("typing.", "")


def _short(file: Path | None) -> str | None:
    import treadle

    if file is None:
        return None
    root = Path(treadle.__file__).parent.parent
    return str(file.relative_to(root)) if file.is_relative_to(root) else str(file)
