"""Which rows are learned from, which choose, and which judge. No row, group or future is in two of them."""

from __future__ import annotations

from typing import Any

from treadle.core.errors import TreadleError
from treadle.spec.spec import Spec
from treadle.stages.values import Job, Splits

INPUTS = ("ingest",)
VALUE = Splits


def settings(spec: Spec) -> Any:
    """The part of the spec that this stage depends on."""
    return {"split": spec.split.model_dump(mode="json"), "task": spec.task}


def leaves(spec: Spec) -> list[tuple[str, str]]:
    """No component has a part in this."""
    return []


def run(job: Job) -> Splits:
    """Write ``parts.parquet``."""
    import numpy as np
    import polars as pl

    frame = pl.read_parquet(job.inputs["ingest"].folder / "data.parquet")
    split = job.spec.split
    rows = frame.height
    if split.method not in ("random", "time"):
        raise TreadleError(f"not yet: {split.method}", where="split.method")
    if split.method == "time":
        order = frame.select(pl.col(str(job.spec.data.time)).arg_sort()).to_series().to_numpy()
    else:
        order = np.random.default_rng(split.seed).permutation(rows)
    parts = np.empty(rows, dtype=object)
    test = round(rows * split.test)
    valid = round(rows * split.valid)
    parts[order[: rows - test - valid]] = "train"
    parts[order[rows - test - valid : rows - test]] = "valid"
    parts[order[rows - test :]] = "test"
    table = pl.DataFrame({"part": pl.Series(list(parts), dtype=pl.String)})
    table.write_parquet(job.folder / "parts.parquet")
    counts = dict(table["part"].value_counts().iter_rows())
    return Splits(str(split.method), counts)
