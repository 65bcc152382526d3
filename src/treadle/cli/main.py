"""The command line."""

from __future__ import annotations

import sys
from pathlib import Path


def main() -> None:
    from treadle.core.errors import TreadleError
    from treadle.core.events import Events
    from treadle.core.jsonable import dumps
    from treadle.flow.run import run
    from treadle.spec.read import find_spec, read_spec

    try:
        path = find_spec(Path("."))
        result = run(
            read_spec(path), path.parent.resolve(), Events(lambda e: print(e.name, e.stage, e.text, file=sys.stderr))
        )
        print(dumps(result.summary(), indent=2))
    except TreadleError as error:
        print(error.message(), file=sys.stderr)
        sys.exit(error.exit_code)
