"""The helper process that imports MLflow and makes its database ready while the stages do their work.

It reads one JSON request a line and answers each with one JSON line. It ends with its parent: at the end of its input,
and on Linux by the parent's death itself.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import sys
import threading
from typing import Any

from treadle.core.errors import TreadleError
from treadle.store.tracking import Tracking, tracking_error

# MLflow imports these when it finds them, for features that are not asked for here (its own `mlflow-skinny` has none of
# them). They are a third of the time that this process takes away from the training beside it.
UNNEEDED = ("numpy", "pandas", "polars", "pyarrow", "scipy")


def main() -> None:
    """Answer requests until the input ends."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever a library prints must not get between the answers
    _die_with_parent()
    requests: queue.Queue[dict[str, Any]] = queue.Queue()
    threading.Thread(target=_read, args=(requests,), daemon=True).start()
    opening = requests.get()
    sys.modules.update(dict.fromkeys(UNNEEDED))  # type: ignore[arg-type]
    try:
        tracking = Tracking(opening["uri"], opening["artifacts"])
    except TreadleError as error:
        _answer(answers, _plain(error))
        return
    while True:
        request = requests.get()
        try:
            answer = {"answer": tracking.call(request["verb"], **request["arguments"])}
        except TreadleError as error:
            answer = _plain(error)
        except Exception as error:
            answer = _plain(tracking_error(error, opening["uri"]))
        _answer(answers, answer)


def _read(requests: queue.Queue[dict[str, Any]]) -> None:
    for line in sys.stdin:
        requests.put(json.loads(line))
    os._exit(0)


def _answer(answers: Any, answer: dict[str, Any]) -> None:
    answers.write(json.dumps(answer) + "\n")
    answers.flush()


def _plain(error: TreadleError) -> dict[str, Any]:
    return {
        "error": {
            "problem": error.problem,
            "where": error.where,
            "expected": error.expected,
            "remedy": error.remedy,
        }
    }


def _die_with_parent() -> None:
    """Ask Linux for the end of this process at the parent's end; elsewhere the end of the input has to do."""
    with contextlib.suppress(Exception):
        import ctypes

        ctypes.CDLL(None).prctl(1, 9)  # PR_SET_PDEATHSIG, SIGKILL


if __name__ == "__main__":
    main()
