"""``store``: where runs, models and artifacts are kept."""

from __future__ import annotations

from treadle.spec.base import Section


class Store(Section):
    """Where runs, models and artifacts are kept; the workspace beside the spec unless said otherwise."""

    tracking: str = "sqlite"
    """`sqlite` in the workspace, or the URL of an MLflow server or database (a secret as `$NAME`)."""
    artifacts: str = "local"
    """`local` in the workspace, or a URL that MLflow can write to."""
