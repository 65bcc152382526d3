"""``treadle promote``."""

from __future__ import annotations

from typing import Annotated

import typer

from treadle.cli.base import Answer, Session, verb

EXAMPLE = 'treadle promote challenger --reason "better in spring"'

Ref = Annotated[str, typer.Argument(metavar="REF", help="VERSION, an alias, a run, or one of these after NAME@.")]
Reason = Annotated[str, typer.Option("--reason", "-r", help="Why; it stands in the ledger.")]
Force = Annotated[bool, typer.Option("--force", "-f", help="Even if a gate failed; the ledger says so.")]


@verb
def promote(session: Session, ref: Ref, reason: Reason = "by hand", force: Force = False) -> Answer:
    """Let a version serve: it becomes the champion, and the ledger says who did it and why."""
    data = session.open().promote(ref, reason=reason, force=force)
    return Answer(data, text=told(data))


def told(data: dict[str, object]) -> str:
    """One line on who serves now."""
    before = f", before: version {data['previous']}" if data["previous"] else ""
    word = "is now" if data["changed"] else "was already"
    return f"{data['name']} version {data['version']} {word} the champion{before}"
