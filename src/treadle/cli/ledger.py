"""``treadle ledger``."""

from __future__ import annotations

from typing import Annotated

import typer

from treadle.cli.base import Answer, Session, verb

EXAMPLE = "treadle ledger --verify"

Verify = Annotated[bool, typer.Option("--verify", help="Check the whole chain; exit code 2 when it was changed.")]


@verb
def ledger(session: Session, verify: Verify = False) -> Answer:
    """Every decision, in order: what, when, by whom, on what evidence."""
    from treadle.cli.draw import draw_ledger

    entries = session.open().ledger(verify=verify)
    data = {"entries": entries, "count": len(entries), "verified": verify}
    return Answer(data, lambda console: draw_ledger(console, entries, verify))
