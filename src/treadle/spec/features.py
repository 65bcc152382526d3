"""``features``: the named steps are checked against the columns before any data is touched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from treadle.core import registry
from treadle.core.errors import TreadleError, did_you_mean, listing, raise_all
from treadle.core.types import DROPPED, FEATURE, Field, Schema

Step = tuple[str, Mapping[str, Any]]


def check_steps(steps: Mapping[str, Sequence[Step]], schema: Schema) -> None:
    """Every column must be there and be learned from; every step must exist, fit what it gets, and have good options.

    Args:
        steps: by column, as `Spec.steps` gives them.
        schema: of the data.

    Raises:
        TreadleError: all mistakes at once, each with its place (``features.COLUMN.STEP``).
    """
    problems: list[TreadleError] = []
    for name, chosen in steps.items():
        where = f"features.{name}"
        if name not in schema:
            known = [item.name for item in schema.features]
            hint = did_you_mean(name, known)
            problems.append(
                TreadleError(f"there is no column {name!r}{hint}", where=where, expected=f"one of {listing(known)}")
            )
            continue
        item = schema.field(name)
        if item.role != FEATURE:
            what = "is not learned from " + (
                f"({item.reason})" if item.role == DROPPED and item.reason else f"(it is the {item.role})"
            )
            problems.append(TreadleError(f"{name!r} {what}, so it cannot have steps", where=where))
            continue
        problems.extend(_check_chain(item, chosen, where))
    raise_all(problems)


def _check_chain(item: Field, chosen: Sequence[Step], where: str) -> list[TreadleError]:
    problems = []
    kind = item.kind
    for position, (name, given) in enumerate(chosen):
        place = f"{where}.{name}"
        try:
            component = registry.load("transforms", name, where=where)
            registry.require(component, name, where=place)
            registry.check_options(component, given, name=name, where=place)
        except TreadleError as error:
            problems.append(error)
            return problems
        kinds = getattr(component, "kinds", None)
        if kinds and kind not in kinds:
            said = f"{item.name!r} is of kind {kind}" if not position else f"what comes before it is of kind {kind}"
            problems.append(
                TreadleError(
                    f"{name} cannot be applied: {said}", where=place, expected=f"kind {listing(sorted(kinds))}"
                )
            )
            return problems
        kind = getattr(component, "makes", None) or kind
        if hasattr(component, "encodes") and position < len(chosen) - 1:
            problems.append(TreadleError(f"{name} makes numbers of the column and must be the last step", where=where))
    return problems
