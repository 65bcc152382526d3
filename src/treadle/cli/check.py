"""``treadle check``."""

from __future__ import annotations

from treadle.cli.base import Answer, Session, verb
from treadle.cli.run import Sets

EXAMPLE = "treadle check --set data.target=income"


@verb
def check(session: Session, set_: Sets = None) -> Answer:
    """Read the spec and the data, and tell everything that is wrong or worth knowing, before anything is trained."""
    from treadle.cli.draw import draw_check

    with session.progress() as events:
        found = session.open().check(set_ or (), events=events)
    data = {
        "ok": True,
        "rows": found.dataset.rows,
        "version": found.dataset.version,
        "columns": found.dataset.schema.fields,
        "findings": found.findings,
        "inferred": found.inferred,
    }
    return Answer(data, lambda console: draw_check(console, data))
