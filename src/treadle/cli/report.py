"""``treadle report``."""

from __future__ import annotations

from typing import Annotated

import typer

from treadle.cli.base import Answer, Session, verb
from treadle.cli.show import RunName

EXAMPLE = "treadle report --open"

Open = Annotated[bool, typer.Option("--open", "-o", help="Open it in the browser.")]


@verb
def report(session: Session, run: RunName = None, open_: Open = False) -> Answer:
    """Where a run's report is: one HTML file that needs nothing else."""
    found = session.open().show(run)
    path = found.written_report()
    if open_:
        import webbrowser

        webbrowser.open(path.resolve().as_uri())
    return Answer({"run": found.id, "report": str(path)}, text=str(path))
