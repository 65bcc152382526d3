"""Hold the evaluation against the gates."""

from __future__ import annotations

from typing import Any

from treadle.spec.spec import Spec
from treadle.stages.values import Decision, Job

INPUTS = ("evaluate",)
VALUE = Decision


def settings(spec: Spec) -> Any:
    """The part of the spec that this stage depends on."""
    return spec.evaluate.gates


def leaves(spec: Spec) -> list[tuple[str, str]]:
    """No component has a part in this."""
    return []


def run(job: Job) -> Decision:
    """One verdict a gate."""
    return Decision((), True)
