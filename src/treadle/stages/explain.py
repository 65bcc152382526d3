"""Why the model says what it says, in the user's own columns."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from treadle.core import registry
from treadle.core.jsonable import encode
from treadle.core.predictor import Predictor
from treadle.core.types import Attribution
from treadle.spec.spec import Spec
from treadle.stages.values import Explanation, Importance, Job

if TYPE_CHECKING:
    import polars as pl

INPUTS = ("ingest", "split", "train")
VALUE = Explanation
SECONDS = 0.2
PATIENCE = 10.0
ROWS = (1000, 500, 300, 100, 50, 20)
REPEATS, WALKS, CURVES, POINTS, SHOWN = 5, 10, 6, 20, 15
COLUMNS = 50


def settings(spec: Spec) -> Any:
    """The part of the spec that this stage depends on."""
    return spec.evaluate.metrics[:1]


def leaves(spec: Spec) -> list[tuple[str, str]]:
    """The explainers and the deciding metric."""
    found = [("explain", name) for name in ("importance", "partial_dependence", "shap")]
    return found + [("metrics", name) for name in spec.evaluate.metrics[:1]]


def run(job: Job) -> Explanation:
    """Importance, SHAP and partial dependence on samples of the test rows; the samples fit a budget of time."""
    import polars as pl

    frame = pl.read_parquet(job.inputs["ingest"].folder / "data.parquet")
    parts = pl.read_parquet(job.inputs["split"].folder / "parts.parquet")["part"]
    predictor = Predictor.load(job.inputs["train"].folder / "predictor")
    seed = job.spec.split.seed
    learned = frame.filter(parts == "train")
    tested = frame.filter(parts == "test")
    rows = _some(tested if tested.height else learned, ROWS[0], seed)
    background = _some(learned, ROWS[0], seed)
    if rows.height < 2 or not background.height or not predictor.schema.features:
        return Explanation(notes=("There are too few rows or columns to explain the model.",))
    cost = _seconds_a_row(predictor, background)
    notes = [] if tested.height else ["There are no test rows, so the rows explained are among those learned from."]
    job.events.progress("importance of the columns", 0, 3)
    permutation = _permutation(predictor, rows, background, job.spec, cost, notes)
    job.events.progress("SHAP values", 1, 3)
    shap, shap_rows = _shap(predictor, rows, background, cost, seed, notes)
    job.events.progress("partial dependence", 2, 3)
    partial = _partial(predictor, rows, background, cost, seed, notes)
    return Explanation(permutation, _native(predictor, rows, background), shap, shap_rows, partial, tuple(notes))


def explain_rows(
    predictor: Predictor,
    frame: pl.DataFrame,
    background: pl.DataFrame,
    method: str = "shap",
    *,
    label: str | None = None,
    options: Mapping[str, Any] | None = None,
) -> Attribution:
    """Explain rows by the explainer of that name.

    Args:
        predictor: fitted.
        frame: the rows, with the feature columns at least.
        background: typical rows, such as a sample of the training rows.
        method: an explainer (``shap``, ``lime``, ...).
        label: the class to explain, where the explainer has that option.
        options: of the explainer.

    Raises:
        TreadleError: an unknown method, option or label; a library that is not installed; columns that are missing.
    """
    component = registry.load("explain", method, where="method")
    registry.require(component, method, where="method")
    given = dict(options or {})
    if label is not None:
        given["label"] = label
    found: Attribution = component(
        predictor, frame, background, **registry.check_options(component, given, name=method, where="options")
    )
    return found


def _some(frame: pl.DataFrame, rows: int, seed: int) -> pl.DataFrame:
    return frame if frame.height <= rows else frame.sample(rows, seed=seed)


def _seconds_a_row(predictor: Predictor, frame: pl.DataFrame) -> float:
    """What a prediction costs in a call of many rows, measured on the second call, in time of the processor: on a busy
    machine the samples are then as large as on an idle one."""
    features = predictor.features(predictor.align(frame))
    predictor.predict_features(features)
    started = time.process_time()
    predictor.predict_features(features)
    return (time.process_time() - started) / max(1, frame.height)


def _fitting(predictions_a_row: float, cost: float, most: int) -> int:
    """How many rows fit the budget: one of a few round numbers, so that a small change of speed changes nothing.

    Zero where even the smallest sample would try anyone's patience."""
    for rows in ROWS:
        if rows <= most and rows * predictions_a_row * cost <= SECONDS:
            return rows
    return ROWS[-1] if ROWS[-1] * predictions_a_row * cost <= PATIENCE else 0


def _permutation(
    predictor: Predictor, rows: pl.DataFrame, background: pl.DataFrame, spec: Spec, cost: float, notes: list[str]
) -> tuple[Importance, ...]:
    tags = registry.load("metrics", spec.evaluate.metrics[0]).tags
    metric: str | None = spec.evaluate.metrics[0]
    if not tags.truth and tags.reads != "features":
        metric = None
        notes.append("Permutation importance is the mean absolute change of the output: no metric here needs labels.")
    wide = min(COLUMNS, len(predictor.schema.features))
    count = _fitting(wide * REPEATS, cost, ROWS[0])
    if not count:
        notes.append("Permutation importance was left out: the model predicts too slowly.")
        return ()
    found = explain_rows(
        predictor, rows, background, "importance",
        options={"metric": metric, "rows": count, "repeats": REPEATS, "columns": COLUMNS, "seed": spec.split.seed},
    )  # fmt: skip
    notes.extend(f"Permutation importance: {note}" for note in found.notes)
    return _ranked(found)


def _native(predictor: Predictor, rows: pl.DataFrame, background: pl.DataFrame) -> tuple[Importance, ...]:
    from treadle.core.errors import TreadleError

    if "importance" not in predictor.model.tags.can:
        return ()
    try:
        return _ranked(explain_rows(predictor, rows, background, "importance", options={"how": "native"}))
    except TreadleError:
        return ()


def _ranked(found: Attribution) -> tuple[Importance, ...]:
    """The columns of an attribution of the whole model, most important first."""
    import numpy as np

    low = found.low if found.low is not None else [None] * len(found.values)
    high = found.high if found.high is not None else [None] * len(found.values)
    order = np.argsort(-found.values, kind="stable")[:COLUMNS]
    return tuple(
        Importance(found.columns[at], float(found.values[at]), *(None if b is None else float(b) for b in bounds))
        for at in order
        for bounds in [(low[at], high[at])]
    )


def _shap(
    predictor: Predictor, rows: pl.DataFrame, background: pl.DataFrame, cost: float, seed: int, notes: list[str]
) -> tuple[tuple[Importance, ...], Mapping[str, Any]]:
    """Mean absolute values, and the rows behind them for the plot."""
    import numpy as np

    wide = min(COLUMNS, len(predictor.schema.features))
    options: dict[str, Any] = {"rounds": WALKS, "columns": COLUMNS, "seed": seed}
    first = explain_rows(predictor, rows.head(2), background, options=options)
    native = first.details.get("how") == "native"
    if native:
        started = time.process_time()
        tried = explain_rows(predictor, rows.head(100), background, options=options)
        count = _fitting(1.0, (time.process_time() - started) / len(tried.values), 300)
    else:
        count = _fitting(2 * WALKS * max(1, wide - 1), cost, 300)
    if not count:
        notes.append("SHAP values were left out of the run: the model predicts too slowly. `treadle explain` has them.")
        return (), {}
    used = rows.head(count)
    found = explain_rows(predictor, used, background, options=options)
    notes.extend(f"SHAP: {note}" for note in found.notes)
    how = "exact, by the model itself" if native else f"by permutations against {WALKS} background rows"
    notes.append(f"SHAP values of {used.height:,} rows, {how}; scale: {found.scale}.")
    spread = np.abs(found.values)
    means = spread.mean(axis=0)
    reach = 1.96 * spread.std(axis=0) / np.sqrt(max(1, used.height))
    ranked = _ranked(Attribution("shap", found.columns, means, low=np.maximum(means - reach, 0.0), high=means + reach))
    shown = [item.column for item in ranked[:SHOWN]]
    places = [found.columns.index(name) for name in shown]
    data = predictor.align(used)
    absent = [None] * used.height
    cells = [[_plain(value) for value in data[name]] if name in data.columns else absent for name in shown]
    return ranked, {
        "columns": shown,
        "values": [[float(f"{value:.4g}") for value in row] for row in found.values[:, places].tolist()],
        "data": [list(row) for row in zip(*cells, strict=True)],
        "kinds": [predictor.schema.field(name).kind if name in data.columns else "" for name in shown],
        "base": found.base,
        "scale": found.scale,
        "label": found.label,
    }  # fmt: skip


def _plain(value: Any) -> Any:
    """A value of the data for the report: short, of a JSON type."""
    plain = encode(value)
    if isinstance(plain, float):
        return float(f"{plain:.4g}")
    return plain[:80] if isinstance(plain, str) else plain


def _partial(
    predictor: Predictor, rows: pl.DataFrame, background: pl.DataFrame, cost: float, seed: int, notes: list[str]
) -> Mapping[str, Any]:
    count = _fitting(CURVES * POINTS, cost, 300)
    if not count:
        notes.append("Partial dependence was left out: the model predicts too slowly.")
        return {}
    found = explain_rows(
        predictor, rows, background, "partial_dependence",
        options={"columns": CURVES, "points": POINTS, "rows": count, "seed": seed},
    )  # fmt: skip
    notes.append(f"Partial dependence is averaged over {min(count, rows.height):,} rows.")
    partial: Mapping[str, Any] = _rounded(found.details["partial"])
    return partial


def _rounded(value: Any) -> Any:
    """Numbers with five digits: more cannot be seen in a plot."""
    if isinstance(value, float):
        return float(f"{value:.5g}")
    if isinstance(value, Mapping):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_rounded(item) for item in value]
    return value
