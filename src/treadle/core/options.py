"""What an option of a component may be, written once in the signature of ``__init__``.

    def __init__(self, *, max_depth: Annotated[int, Range(1, 16), Doc("depth of a tree")] = 6): ...

The spec's check, ``--help``, the documentation and the tuner's search space are all read from there.
"""

from __future__ import annotations

import inspect
import types
import typing
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Range:
    """Values from ``low`` to ``high``, both included; ``tune`` is the narrower span that the tuner searches.

    Attributes:
        log: search on a logarithmic scale.
        tune: the span searched, when narrower than what is allowed; ``None`` searches the whole.
        tuned: False for an option that the tuner leaves alone.
    """

    low: float | None = None
    high: float | None = None
    log: bool = False
    tune: tuple[float, float] | None = None
    tuned: bool = True


@dataclass(frozen=True)
class Doc:
    """One line that says what an option does."""

    text: str


@dataclass(frozen=True)
class Option:
    """One option as read from a signature."""

    name: str
    type: Any
    default: Any
    required: bool
    doc: str = ""
    range: Range | None = None

    @property
    def choices(self) -> tuple[Any, ...] | None:
        """The values of a ``Literal``, else None."""
        if typing.get_origin(self.type) is typing.Literal:
            return typing.get_args(self.type)
        return None


def options_of(component: Any) -> dict[str, Option]:
    """The options of a component: the keyword-only arguments of its ``__init__`` (or of the function itself)."""
    function: Any = getattr(component, "__init__") if isinstance(component, type) else component  # noqa: B009
    parameters = inspect.signature(function).parameters.values()
    keyword = {item.name: item for item in parameters if item.kind is inspect.Parameter.KEYWORD_ONLY}
    # Only these are resolved: the others may name types that are imported for the type checker alone.
    written = {name: note for name, note in getattr(function, "__annotations__", {}).items() if name in keyword}
    names = getattr(function, "__globals__", {})
    hints = typing.get_type_hints(types.SimpleNamespace(__annotations__=written), names, include_extras=True)
    found: dict[str, Option] = {}
    for name, parameter in keyword.items():
        annotation = hints.get(name, Any)
        metadata: tuple[Any, ...] = ()
        if typing.get_origin(annotation) is typing.Annotated:
            annotation, *rest = typing.get_args(annotation)
            metadata = tuple(rest)
        required = parameter.default is inspect.Parameter.empty
        found[name] = Option(
            name=name,
            type=annotation,
            default=None if required else parameter.default,
            required=required,
            doc=next((item.text for item in metadata if isinstance(item, Doc)), ""),
            range=next((item for item in metadata if isinstance(item, Range)), None),
        )
    return found
