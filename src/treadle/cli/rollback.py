"""``treadle rollback``."""

from __future__ import annotations

from typing import Annotated

import typer

from treadle.cli.base import Answer, Session, verb
from treadle.cli.promote import Reason, told

EXAMPLE = 'treadle rollback --reason "too many false alarms"'

Name = Annotated[
    str | None,
    typer.Argument(metavar="[NAME]", help="The model. Default: the one last promoted.", show_default=False),
]


@verb
def rollback(session: Session, name: Name = None, reason: Reason = "by hand") -> Answer:
    """Let the champion before the present one serve again; the ledger says who did it and why."""
    data = session.open().rollback(name, reason=reason)
    return Answer(data, text=told(data))
