"""What all sections of the spec have in common."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict


class Section(BaseModel):
    """A part of the spec: frozen, and no key that it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


DURATION = re.compile(r"(?P<number>\d+(\.\d+)?)\s*(?P<unit>ms|s|m|h|d|w)")
SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}


def seconds(text: str) -> float:
    """``"90s"``, ``"5m"``, ``"1.5h"``, ``"7d"`` as seconds."""
    match = DURATION.fullmatch(text.strip())
    if not match:
        raise ValueError("expected a duration such as 90s, 5m, 1.5h, 7d")
    return float(match["number"]) * SECONDS[match["unit"]]


def _checked(text: str) -> str:
    seconds(text)
    return text


Duration = Annotated[str, AfterValidator(_checked)]
"""A length of time as text: a number and one of ms, s, m, h, d, w."""
