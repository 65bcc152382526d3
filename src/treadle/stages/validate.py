"""Hold the data against what the spec expects, and look for what usually goes wrong."""

from __future__ import annotations

from typing import Any

from treadle.core.errors import TreadleError, raise_all
from treadle.spec.spec import Spec
from treadle.stages.values import Finding, Job, Quality

INPUTS = ("ingest",)
VALUE = Quality


def settings(spec: Spec) -> Any:
    """The part of the spec that this stage depends on."""
    return {"data": spec.data.model_dump(mode="json", include={"expect", "rows", "target"}), "task": spec.task}


def leaves(spec: Spec) -> list[tuple[str, str]]:
    """No component has a part in this."""
    return []


def run(job: Job) -> Quality:
    """The findings; those of severity ``error`` are raised together."""
    import polars as pl

    frame = pl.read_parquet(job.inputs["ingest"].folder / "data.parquet")
    findings: list[Finding] = []
    for name, expected in job.spec.data.expect.items():
        column = frame[name]
        if expected.missing is not None and column.null_count() > expected.missing * len(column):
            share = column.null_count() / len(column)
            text = f"{share:.1%} of {name} is missing, at most {expected.missing:.1%} is expected"
            findings.append(Finding("missing", "error", (name,), text, column.null_count(), value=share))
    raise_all([TreadleError(item.text, where="data.expect") for item in findings if item.severity == "error"])
    return Quality(tuple(findings))
