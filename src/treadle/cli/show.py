"""``treadle show``."""

from __future__ import annotations

from typing import Annotated

import typer

from treadle.cli.base import Answer, Session, verb

EXAMPLE = "treadle show 20130901-1200"

RunName = Annotated[
    str | None,
    typer.Argument(metavar="RUN", help="A run's id, or the beginning of it. Default: the latest.", show_default=False),
]


@verb
def show(session: Session, run: RunName = None) -> Answer:
    """One run: its model, metrics, gates, findings, and the spec it was made from."""
    from treadle.cli.draw import draw_show

    found = session.open().show(run)
    data = {
        **found.summary(),
        "metric": found.metric,
        "inferred": found.inferred,
        "findings": found.quality.findings,
        "baseline": found.evaluation.baseline,
        "spec": found.spec,
    }
    return Answer(data, lambda console: draw_show(console, found, data))
