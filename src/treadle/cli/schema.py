"""``treadle schema``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from treadle.cli.base import Answer, Session, verb

EXAMPLE = "treadle schema -o treadle.schema.json"

Output = Annotated[
    Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write it there instead.", show_default=False)
]


@verb
def schema(session: Session, output: Output = None) -> Answer:
    """The JSON Schema of treadle.yaml, for editors."""
    from treadle.core.files import write_text
    from treadle.spec.read import json_schema

    found = json_schema()
    text = json.dumps(found, indent=2, ensure_ascii=False)
    if output is None:
        return Answer(found, text=text)
    write_text(output, text + "\n")
    return Answer({"file": str(output)}, text=f"written: {output}")
