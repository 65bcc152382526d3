"""A bundle's example rows with the answers they got, as JSON: what a request would hold, and nothing to unpack."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import TYPE_CHECKING, Any

from treadle.core.errors import TreadleError
from treadle.core.files import write_json
from treadle.core.jsonable import read_json

if TYPE_CHECKING:
    import polars as pl

    from treadle.core.predictor import Predictor

NAME = "examples.json"
ROWS = 20


def choose(frame: pl.DataFrame) -> pl.DataFrame:
    """At most `ROWS` rows, spread evenly over the frame."""
    return frame.gather_every(max(1, frame.height // ROWS)).head(ROWS)


def write_examples(folder: Path, predictor: Predictor, rows: pl.DataFrame) -> None:
    """Write the rows with what the predictor says of them, both as they come back from JSON."""
    plain = _plain(rows)
    answers = predictor.predict(_frame(plain))
    write_json(folder / NAME, {"rows": plain, "answers": _plain(answers)})


def read_examples(folder: Path, *, limit: int = 2**26) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The rows and the answers."""
    path = folder / NAME
    data = read_json(path, limit=limit)
    try:
        return _frame(data["rows"]), _frame(data["answers"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise TreadleError(f"the examples cannot be read ({type(error).__name__})", where=path) from None


def differences(got: pl.DataFrame, expected: pl.DataFrame, predictor: Predictor, tolerance: float) -> str:
    """One line on the first difference, or an empty text.

    Numbers may differ by ``tolerance``, absolute and relative. A label may differ where its probability lies that
    close to another's, or to the threshold.
    """
    import numpy as np

    answers = _frame(_plain(got))
    if answers.columns != expected.columns or answers.height != expected.height:
        return f"the answers have the columns {answers.columns}, expected {expected.columns}"
    undecided = _undecided(expected, predictor, tolerance)
    for name in expected.columns:
        one, other = answers[name], expected[name]
        if one.dtype.is_numeric() and other.dtype.is_numeric() and predictor.task != "clustering":
            values, wanted = one.cast(float).to_numpy(), other.cast(float).to_numpy()
            wrong = ~np.isclose(values, wanted, rtol=tolerance, atol=tolerance, equal_nan=True)
        else:
            wrong = ~one.eq_missing(other).to_numpy() if one.dtype == other.dtype else np.ones(len(one), dtype=bool)
        if name == "prediction" and undecided is not None:
            wrong = wrong & ~undecided
        if wrong.any():
            row = int(np.flatnonzero(wrong)[0])
            return f"{name} of example {row + 1} is {one[row]!r}, it was {other[row]!r}"
    return ""


def _undecided(expected: pl.DataFrame, predictor: Predictor, tolerance: float) -> Any:
    import numpy as np

    names = [name for name in expected.columns if name.startswith("probability_")]
    if predictor.task != "classification" or len(names) < 2:
        return None
    probability = expected.select(names).to_numpy()
    if len(names) == 2:
        return np.abs(probability[:, 1] - predictor.threshold) <= 2 * tolerance
    ordered = np.sort(probability, axis=1)
    return ordered[:, -1] - ordered[:, -2] <= 2 * tolerance


def _plain(frame: pl.DataFrame) -> list[dict[str, Any]]:
    """Rows as a request would hold them: times as ISO text, bytes as base64."""
    return [{name: _value(value) for name, value in row.items()} for row in frame.to_dicts()]


def _value(value: Any) -> Any:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return value.isoformat() if hasattr(value, "isoformat") else value


def _frame(rows: list[dict[str, Any]]) -> pl.DataFrame:
    import polars as pl

    if not isinstance(rows, list):
        raise TypeError("rows are a list")
    return pl.DataFrame(rows, infer_schema_length=None)
