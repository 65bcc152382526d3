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
Slice = Annotated[
    list[str] | None, typer.Option("--slice", metavar="COLUMN", help="Judge its values one by one; may be repeated.")
]
Bootstrap = Annotated[int, typer.Option("--bootstrap", min=0, help="Resamples behind each 95 % interval.")]


@verb
def evaluate(
    session: Session,
    data: Data,
    model: Model = None,
    metric: Metric = None,
    slice_: Slice = None,
    bootstrap: Bootstrap = 500,
) -> Answer:
    """Judge a model on other rows than those of its run; the rows need the target."""
    from treadle.cli.draw import draw_evaluation
    from treadle.flow.use import collect, evaluate_frame, open_table

    loaded = session.model(model)
    frame = collect(open_table(data), data)
    found = evaluate_frame(loaded.bundle, frame, metric or (), bootstrap=bootstrap, slices=slice_ or ())
    facts = loaded.bundle.facts
    told = {
        "metrics": found.metrics,
        "baseline": found.baseline,
        "slices": found.slices,
        "rows": found.rows,
        "notes": found.notes,
        "data": data,
        "task": loaded.bundle.predictor.task,
        "model": {"name": facts["name"], "run": facts["run"], "digest": loaded.bundle.digest},
    }
    return Answer(told, lambda console: draw_evaluation(console, found))
