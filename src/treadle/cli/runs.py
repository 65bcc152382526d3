"""``treadle runs``."""

from __future__ import annotations

from typing import Annotated

import typer

from treadle.cli.base import Answer, Session, verb

EXAMPLE = "treadle runs --last 5"


@verb
def runs(
    session: Session, last: Annotated[int, typer.Option(min=1, help="How many to show, the latest first.")] = 20
) -> Answer:
    """The finished runs, the latest first."""
    from treadle.cli.draw import draw_runs

    found = list(reversed(session.open().runs()))[:last]
    data = {"runs": [{**item.summary(), "metric": item.metric} for item in found]}
    return Answer(data, lambda console: draw_runs(console, data["runs"]))
