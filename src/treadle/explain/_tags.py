"""How an explainer says what it needs: it is a function, so its tags are hung on it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from treadle.core.types import ExplainerTags

F = TypeVar("F", bound=Callable[..., Any])


def tagged(tags: ExplainerTags) -> Callable[[F], F]:
    """Hang tags on an explainer: ``@tagged(ExplainerTags(additive=True))``."""

    def mark(function: F) -> F:
        vars(function)["tags"] = tags
        return function

    return mark
