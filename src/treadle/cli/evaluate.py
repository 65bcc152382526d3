"""``treadle evaluate``."""

from __future__ import annotations

from typing import Annotated

import typer

from treadle.cli.base import Answer, Model, Session, verb

EXAMPLE = "treadle evaluate --data last_week.csv --model challenger"

Data = Annotated[
    str, typer.Option("--data", "-d", metavar="FILE", help="Rows with the target: a file, folder, glob or URL.")
]
Metric = Annotated[
    list[str] | None,
    typer.Option("--metric", metavar="NAME", help="A metric; may be repeated. Default: those of the run."),
]
Bootstrap = Annotated[int, typer.Option("--bootstrap", min=0, help="Resamples behind each 95 % interval.")]


@verb
def evaluate(
    session: Session, data: Data, model: Model = None, metric: Metric = None, bootstrap: Bootstrap = 500
) -> Answer:
    """Judge a model on other rows than those of its run; the rows need the target."""
    from treadle.cli.draw import metrics_table
    from treadle.flow.use import collect, evaluate_frame, open_table

    loaded = session.model(model)
    frame = collect(open_table(data), data)
    metrics = evaluate_frame(loaded.bundle, frame, metric or (), bootstrap=bootstrap)
    facts = loaded.bundle.facts
    told = {
        "metrics": metrics,
        "rows": frame.height,
        "data": data,
        "task": loaded.bundle.predictor.task,
        "model": {"name": facts["name"], "run": facts["run"], "digest": loaded.bundle.digest},
    }
    return Answer(told, lambda console: console.print(metrics_table(metrics)))
