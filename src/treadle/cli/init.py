"""``treadle init``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from treadle.cli.base import Answer, Session, verb
from treadle.core.errors import TreadleError, did_you_mean, listing

EXAMPLE = "treadle init delays --example flights"

EXAMPLES = {
    "flights": ("late or not: 336,776 flights of 2013 with their weather", "late", {"time": "time_hour"}),
    "breast_cancer": ("malign or benign, from 30 measurements of a cell's nucleus", "target", {}),
    "diabetes": ("progress of the disease after a year, a number", "target", {}),
    "digits": ("which digit 8 x 8 grey pixels show", "target", {}),
    "iris": ("which of three species a flower is", "target", {}),
    "wine": ("which of three growers a wine comes from", "target", {}),
}
TABLES = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".parquet", ".jsonl", ".jsonl.gz")

Where = Annotated[Path, typer.Argument(metavar="[FOLDER]", help="The project's folder; it is made when not there.")]
Example = Annotated[
    str | None,
    typer.Option("--example", "-e", metavar="NAME", help=f"Real data that comes with pip: {', '.join(EXAMPLES)}.",
                 show_default=False),
]  # fmt: skip
Data = Annotated[
    str | None,
    typer.Option("--data", "-d", metavar="SOURCE", help="Your data: a file, folder, glob or URL.", show_default=False),
]
Target = Annotated[
    str | None, typer.Option("--target", "-t", metavar="COLUMN", help="The column to predict.", show_default=False)
]


@verb
def init(
    session: Session, folder: Where = Path(), example: Example = None, data: Data = None, target: Target = None
) -> Answer:
    """Start a project: write a treadle.yaml. Nothing that is there is overwritten."""
    from treadle.core.files import write_text

    file = folder / "treadle.yaml"
    if folder.exists() and not folder.is_dir():
        raise TreadleError("this is a file, not a folder", where=folder, remedy="name another folder")
    if file.exists():
        raise TreadleError("there is a project here already", where=file, remedy="name another folder")
    if example is not None and data is not None:
        raise TreadleError("--example and --data exclude each other")
    text, source, goal = (
        data_spec(folder, data or the_only_table(folder), target) if example is None else example_spec(example, target)
    )
    write_text(file, text)
    place = "" if folder.resolve() == Path.cwd() else f"cd {folder} && "
    following = [f"{place}treadle plan", f"{place}treadle run"]
    told = {"project": str(folder.resolve()), "spec": str(file), "source": source, "target": goal, "next": following}
    hint = "" if goal else "\nNo target is named, so the rows will be clustered; add `target: COLUMN` to predict one."
    return Answer(told, text=f"written: {file}{hint}\nnext: {' or '.join(following)}")


def example_spec(name: str, target: str | None) -> tuple[str, str, str]:
    """The spec of an example: text, source, target."""
    if name not in EXAMPLES:
        hint = did_you_mean(name, EXAMPLES)
        raise TreadleError(f"there is no example {name!r}{hint}", where="--example",
                           expected=f"one of {listing(EXAMPLES)}")  # fmt: skip
    story, usual, more = EXAMPLES[name]
    goal = target or usual
    lines = [f"# {name}: {story}", "data:", f"  source: sample://{name}", f"  target: {goal}"]
    lines += [f"  {key}: {value}" for key, value in more.items()]
    return "\n".join([*lines, *HELP, ""]), f"sample://{name}", goal


def data_spec(folder: Path, source: str, target: str | None) -> tuple[str, str, str | None]:
    """The spec for the user's own data: its columns are looked at, its path is told from the project's folder."""
    import yaml

    from treadle.spec.data import Data as DataSection
    from treadle.stages.ingest import sources

    written = source
    if "://" not in source:
        path = Path(source).absolute()
        close = path.is_relative_to(folder.absolute().parent)
        written = os.path.relpath(path, folder.absolute()) if close else str(path)
    columns = list(sources(DataSection(source=source), Path.cwd())[0].scan().collect_schema())
    if target is not None and target not in columns:
        hint = did_you_mean(target, columns)
        raise TreadleError(f"there is no column {target!r}{hint}", where="--target",
                           expected=f"one of {listing(columns)}")  # fmt: skip
    section = {"source": written, **({"target": target} if target else {})}
    body = yaml.safe_dump({"data": section}, sort_keys=False, allow_unicode=True, width=110).rstrip()
    head = f"# columns: {listing(columns, 60)}"
    return "\n".join([head, body, *HELP, ""]), written, target


def the_only_table(folder: Path) -> str:
    """The one table that lies in the folder."""
    found = sorted(p for p in folder.iterdir() if p.name.lower().endswith(TABLES)) if folder.is_dir() else []
    if len(found) != 1:
        lying = f": {listing([path.name for path in found])}" if found else ""
        raise TreadleError(
            f"which data? {len(found)} tables lie here{lying}", where=folder.resolve(),
            expected="--data FILE --target COLUMN, or --example NAME",
        )  # fmt: skip
    return str(found[0])


HELP = (
    "",
    "# Everything else is inferred; `treadle plan` shows what and why. Some things you may want to say:",
    "# split: {method: random, test: 0.2}",
    "# model: {name: linear}",
    "# evaluate: {gates: [accuracy >= 0.8]}",
)
