"""``treadle compare``."""

from __future__ import annotations

from typing import Annotated

import typer

from treadle.cli.base import Answer, Session, verb

EXAMPLE = "treadle compare 20130901-120000-a1b2c3 20130902-120000-d4e5f6"

One = Annotated[str, typer.Argument(metavar="RUN", help="A run's id, or the beginning of it.")]
Two = Annotated[str, typer.Argument(metavar="RUN", help="The run to compare it with.")]


@verb
def compare(session: Session, one: One, two: Two) -> Answer:
    """Whether one run is better than another, by a paired bootstrap on the rows that both were judged on."""
    from treadle.cli.draw import draw_compared
    from treadle.core.jsonable import encode

    data = encode(session.open().compare(one, two))
    return Answer(data, lambda console: draw_compared(console, data))
