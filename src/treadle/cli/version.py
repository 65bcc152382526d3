"""``treadle version``."""

from __future__ import annotations

from treadle.cli.base import Answer, Session, verb

EXAMPLE = "treadle version --json"


@verb
def version(session: Session) -> Answer:
    """The version of Treadle, of Python and of the file formats."""
    import platform

    import treadle
    from treadle.spec.spec import FORMAT
    from treadle.store import bundle, workspace

    data = {
        "treadle": treadle.__version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "formats": {"spec": FORMAT, "bundle": bundle.FORMAT, "workspace": workspace.FORMAT},
    }
    return Answer(data, text=f"treadle {data['treadle']}, Python {data['python']}, {data['platform']}")
