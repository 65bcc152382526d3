"""``treadle predict``."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import IO, Annotated

import typer

from treadle.cli.base import Answer, Model, Session, verb
from treadle.core.errors import TreadleError

EXAMPLE = "treadle predict new.csv -o predictions.parquet --keep customer"

Input = Annotated[
    str, typer.Argument(metavar="IN", help="csv(.gz), parquet or jsonl(.gz), a folder or a URL; - is stdin.")
]
Output = Annotated[
    str, typer.Option("--output", "-o", metavar="OUT", help="csv(.gz), tsv, parquet or jsonl(.gz); - is stdout.")
]
Keep = Annotated[
    list[str] | None,
    typer.Option("--keep", "-k", metavar="COLUMN", help="Carry this column of the input along; may be repeated."),
]
All = Annotated[bool, typer.Option("--all", "-a", help="Carry every column of the input along.")]
Batch = Annotated[int, typer.Option("--batch", min=1, help="Rows held in memory at a time.")]
Format = Annotated[
    str | None,
    typer.Option("--format", metavar="FORMAT", help="csv, tsv, jsonl or parquet, where the ending of OUT (or IN, for "
                 "stdin) does not say it.", show_default=False),
]  # fmt: skip


@verb
def predict(
    session: Session,
    source: Input,
    output: Output,
    model: Model = None,
    batch: Batch = 50_000,
    keep: Keep = None,
    all_: All = False,
    format_: Format = None,
) -> Answer:
    """Predict a file of any length, batch by batch. The output appears when it is whole; rows keep their order."""
    from treadle.flow.use import predict_file
    from treadle.stages.score import stdin_as_file

    if session.json and output == "-":
        raise TreadleError("--json and -o - both want stdout", remedy="name a file with -o")
    with contextlib.ExitStack() as stack:
        events = stack.enter_context(session.progress())
        loaded = session.model(model)
        place = stack.enter_context(stdin_as_file(format_)) if source == "-" else source
        goal: Path | IO[bytes] = session.out.buffer if output == "-" else Path(output)
        done = predict_file(
            loaded.bundle, place, goal, name="stdin" if source == "-" else source, events=events,
            format=format_, batch=batch, keep=keep or (), keep_all=all_,
        )  # fmt: skip
    facts = loaded.bundle.facts
    data = {
        "output": done.output,
        "rows": done.rows,
        "columns": done.columns,
        "seconds": done.seconds,
        "model": {"name": facts["name"], "run": facts["run"], "digest": loaded.bundle.digest},
    }
    speed = done.rows / max(done.seconds, 1e-9)
    text = f"{done.rows:,} rows in {done.seconds:.1f} s ({speed:,.0f} a second): {done.output}"
    if output == "-":
        session.say(text)
        text = ""
    return Answer(data, text=text)
