"""``treadle trace``."""

from __future__ import annotations

from typing import Annotated

import typer

from treadle.cli.base import Answer, Session, verb

EXAMPLE = "treadle trace champion"

Ref = Annotated[
    str | None,
    typer.Argument(metavar="[REF]", help="An alias, a version, NAME@VERSION, a run or a bundle's folder. Default: the "
                   "champion.", show_default=False),
]  # fmt: skip


@verb
def trace(session: Session, ref: Ref = None) -> Answer:
    """From a model back to its run, spec, code version, dataset and the decisions about it."""
    from treadle.cli.draw import draw_trace

    data = session.open().trace(ref)
    return Answer(data, lambda console: draw_trace(console, data))
