"""Why the model says what it says, in the user's own columns."""

from __future__ import annotations

from typing import Any

from treadle.core import registry
from treadle.spec.spec import Spec
from treadle.stages.values import Explanation, Job

INPUTS = ("ingest", "split", "train")
VALUE = Explanation


def settings(spec: Spec) -> Any:
    """The part of the spec that this stage depends on."""
    return spec.evaluate.metrics[:1]


def leaves(spec: Spec) -> list[tuple[str, str]]:
    """The explainers."""
    return [("explain", name) for name in registry.names("explain")]


def run(job: Job) -> Explanation:
    """Nothing yet."""
    return Explanation()
