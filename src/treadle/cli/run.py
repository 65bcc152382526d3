"""``treadle run``."""

from __future__ import annotations

from typing import Annotated

import typer

from treadle.cli.base import GATE_FAILED, Answer, Session, verb

EXAMPLE = "treadle run --set model.name=lightgbm --set model.options.learning_rate=0.05"

Sets = Annotated[
    list[str] | None,
    typer.Option("--set", "-s", metavar="KEY=VALUE", help="Set a key of the spec for this call; may be repeated."),
]
Force = Annotated[
    list[str] | None,
    typer.Option("--force", "-f", metavar="STAGE", help="Run this stage though nothing changed; may be repeated."),
]


@verb
def run(session: Session, set_: Sets = None, force: Force = None) -> Answer:
    """Data to a trained, judged, explained, registered model. What has not changed is not done again."""
    from treadle.cli.draw import draw_run

    project = session.open()
    with session.progress() as events:
        done = project.run(set_ or (), force=force or (), events=events)
    data = done.summary()
    passed = all(gate["passed"] for gate in data["gates"])
    return Answer(data, lambda console: draw_run(console, done), code=0 if passed else GATE_FAILED)
