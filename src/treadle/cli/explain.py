"""``treadle explain``."""

from __future__ import annotations

from typing import Annotated

import typer

from treadle.cli.base import Answer, Model, Session, verb

EXAMPLE = "treadle explain new.csv --rows 3 --method shap"

Rows = Annotated[str, typer.Argument(metavar="ROWS", help="The rows: a file, folder, glob or URL.")]
Method = Annotated[
    str, typer.Option("--method", metavar="NAME", help="An explainer (`treadle components explain` lists them).")
]
Label = Annotated[
    str | None, typer.Option("--label", metavar="CLASS", help="The class to explain. Default: the method's own choice.",
                             show_default=False),
]  # fmt: skip
Count = Annotated[int, typer.Option("--rows", "-n", min=1, help="Explain the first rows only.")]


@verb
def explain(
    session: Session, rows: Rows, model: Model = None, method: Method = "shap", label: Label = None, count: Count = 10
) -> Answer:
    """Why the model says what it says of each row, in the columns of the data."""
    from treadle.cli.draw import draw_explained
    from treadle.flow.use import collect, explain_frame, open_table

    loaded = session.model(model)
    frame = collect(open_table(rows).head(count), rows)
    found = explain_frame(loaded.bundle, frame, method, label=label)
    told = {
        "method": found.method,
        "scale": found.scale,
        "labels": found.details.get("labels") or ([found.label] * frame.height if found.label else None),
        "bases": found.bases,
        "columns": found.columns,
        "values": found.values,
        "output": found.output,
        "rows": frame.height,
        "notes": found.notes,
        "predictions": loaded.predict(frame).to_dicts(),
    }
    return Answer(told, lambda console: draw_explained(console, told, frame))
