"""``treadle plan``."""

from __future__ import annotations

from treadle.cli.base import Answer, Session, verb
from treadle.cli.run import Force, Sets

EXAMPLE = "treadle plan --set model.name=xgboost"


@verb
def plan(session: Session, set_: Sets = None, force: Force = None) -> Answer:
    """Each stage, whether it would run and why; each value that was inferred and from what."""
    from treadle.cli.draw import draw_plan

    with session.progress() as events:
        found = session.open().plan(set_ or (), force=force or (), events=events)
    stages = [
        {"name": step.name, "cached": step.cached, "why": step.why, "fingerprint": step.fingerprint}
        for step in found.steps
    ]
    data = {"stages": stages, "inferred": found.inferred, "spec": found.spec}
    return Answer(data, lambda console: draw_plan(console, data))
