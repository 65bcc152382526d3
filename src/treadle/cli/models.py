"""``treadle models``."""

from __future__ import annotations

from treadle.cli.base import Answer, Session, verb

EXAMPLE = "treadle models"


@verb
def models(session: Session) -> Answer:
    """The registered models with their versions and aliases, the newest first."""
    from treadle.cli.draw import draw_models

    found = session.open().models()
    return Answer({"models": found}, lambda console: draw_models(console, found))
