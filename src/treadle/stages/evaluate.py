"""Judge the model on the test rows, which training never saw."""

from __future__ import annotations

from typing import Any

from treadle.core.predictor import Predictor
from treadle.core.types import Metered
from treadle.spec.spec import Spec
from treadle.stages.train import score_of
from treadle.stages.values import Evaluation, Job

INPUTS = ("ingest", "split", "train")
VALUE = Evaluation


def settings(spec: Spec) -> Any:
    """The part of the spec that this stage depends on."""
    return {**spec.evaluate.model_dump(mode="json", exclude={"gates"}), "sensitive": spec.data.sensitive}


def leaves(spec: Spec) -> list[tuple[str, str]]:
    """The metrics."""
    return [("metrics", name) for name in spec.evaluate.metrics]


def run(job: Job) -> Evaluation:
    """Metrics of the test rows."""
    import polars as pl

    frame = pl.read_parquet(job.inputs["ingest"].folder / "data.parquet")
    parts = pl.read_parquet(job.inputs["split"].folder / "parts.parquet")["part"]
    predictor = Predictor.load(job.inputs["train"].folder / "predictor")
    test = frame.filter(parts == "test")
    outcomes = predictor.predict_codes(predictor.align(test, target=True))
    metrics = {name: Metered(score_of(outcomes, name)) for name in job.spec.evaluate.metrics}
    return Evaluation(metrics, {}, test.height, job.spec.evaluate.metrics[0], predictor.classes)
