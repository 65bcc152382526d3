"""SHAP: how much each column moved a prediction away from the average one (Lundberg and Lee 2017)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

from treadle.core.errors import TreadleError
from treadle.core.options import Doc, Range
from treadle.core.types import Attribution, ExplainerTags
from treadle.explain._permutation import permutation_values
from treadle.explain._swap import Chosen, Swap, by_user_column, choose, sample, top_columns
from treadle.explain._tags import tagged

if TYPE_CHECKING:
    import polars as pl

    from treadle.core.predictor import Predictor
    from treadle.core.types import Array

TOLERANCE = 1e-3
TINY = 1e-12


@tagged(ExplainerTags(additive=True))
def explain(
    predictor: Predictor,
    frame: pl.DataFrame,
    background: pl.DataFrame,
    *,
    label: Annotated[
        str | None, Doc("the class to explain; default: the last of two, the predicted one of more")
    ] = None,
    how: Annotated[
        Literal["auto", "native", "permutation"],
        Doc("native: the model's own exact values; permutation: for any model; auto: native where it is there"),
    ] = "auto",
    rounds: Annotated[int, Range(1, 10_000, tuned=False), Doc("background rows that each row is held against")] = 20,
    columns: Annotated[int, Range(1, 10_000, tuned=False), Doc("columns told apart; the others share one entry")] = 50,
    seed: Annotated[int, Range(0, None, tuned=False), Doc("for the orders of the columns")] = 0,
) -> Attribution:
    """SHAP values of each row, in the user's columns; base and values add up to the output.

    A model that brings exact values of its own (TreeSHAP, Lundberg et al. 2020; a linear model's closed form) is asked
    for them, on its raw scale (log-odds), provided they do add up to what it predicts; every other model is walked
    through by permutations on the scale of its predictions.

    Args:
        predictor: fitted.
        frame: the rows to explain.
        background: typical rows, such as a sample of the training rows.

    Returns:
        values of shape (rows, columns). With ``permutation`` and more columns than ``columns``, the less important
        ones together are the last entry, ``(n other columns)``.
    """
    held = sample(background, rounds, seed)
    if not held.height and how != "native":
        raise TreadleError("SHAP needs background rows, and there are none", expected="one row at least")
    swap = Swap(predictor, frame, held)
    if how != "permutation":
        found = _native(swap, label)
        if found is not None:
            return found
        if how == "native":
            raise TreadleError(
                f"{predictor.model_name} has no exact SHAP values of its own for this task",
                where="how", remedy="say `how=permutation`",
            )  # fmt: skip
    return _permutation(swap, label, columns, seed)


def _permutation(swap: Swap, label: str | None, limit: int, seed: int) -> Attribution:
    import numpy as np

    outputs = swap.outputs(swap.plain(np.arange(swap.rows)))
    chosen = choose(outputs, swap.names, label)
    kept = top_columns(swap, limit, seed)
    rest = sorted(set(range(len(swap.columns))) - set(kept))
    players: list[Sequence[int]] = [[position] for position in kept]
    names = [swap.columns[position] for position in kept]
    notes: tuple[str, ...] = ()
    if rest:
        players.append(rest)
        names.append(f"({len(rest):,} other columns)")
        notes = (f"{len(rest):,} of {len(swap.columns):,} columns share one entry: the least important ones.",)
    values, base = permutation_values(swap, chosen, players, seed)
    return _attribution(
        "shap", names, values, base, outputs[np.arange(swap.rows), chosen.positions], swap.scale, chosen, notes,
        {"how": "permutation", "background": swap.background},
    )  # fmt: skip


def _native(swap: Swap, label: str | None) -> Attribution | None:
    """The model's own values; None where it has none, or where they do not add up to what it predicts."""
    import numpy as np

    predictor = swap.predictor
    if "contributions" not in predictor.model.tags.can:
        return None
    only = predictor.features(swap.aligned.head(swap.rows))
    outcomes = predictor.predict_features(only)
    try:
        parts = np.asarray(predictor.model.contributions(only), dtype=np.float64)  # type: ignore[attr-defined]
    except TreadleError:
        return None
    names = only.columns or swap.columns
    if parts.shape[-1] != len(names) + 1:
        return None
    sums = parts.sum(axis=-1)
    positions = _raw_scale(predictor.task, sums, outcomes.probability, outcomes.prediction)
    if positions is None:
        return None
    values = by_user_column(parts[..., :-1], names, swap.columns)
    chosen = choose(outcomes.probability if outcomes.probability is not None else sums[:, None], swap.names, label)
    rows = np.arange(swap.rows)
    base = parts[..., -1]
    if parts.ndim == 3:
        values, base, sums = values[rows, chosen.positions], base[rows, chosen.positions], sums[rows, chosen.positions]
    elif predictor.classes and len(chosen.positions) and chosen.positions[0] == 0:
        values, base, sums = -values, -base, -sums
    scale = "log-odds" if predictor.task == "classification" else "value"
    return _attribution("shap", swap.columns, values, base, sums, scale, chosen, (), {"how": "native"})


def _raw_scale(task: str, sums: Array, probability: Array | None, prediction: Array) -> Array | None:
    """``sums`` when they are the log-odds or values behind the predictions, else None."""
    import numpy as np

    if task == "regression" and sums.ndim == 1:
        room = TOLERANCE * max(1.0, float(np.abs(prediction).max(initial=0.0)))
        return sums if np.abs(sums - prediction).max(initial=0.0) <= room else None
    if task != "classification" or probability is None:
        return None
    if sums.ndim == 1:
        if probability.shape[1] != 2:
            return None
        told = 1.0 / (1.0 + np.exp(-np.clip(sums, -700, 700)))
        return sums if np.abs(told - probability[:, 1]).max(initial=0.0) <= TOLERANCE else None
    if sums.shape != probability.shape:
        return None
    powers = np.exp(sums - sums.max(axis=1, keepdims=True, initial=-np.inf))
    told = powers / np.maximum(powers.sum(axis=1, keepdims=True), TINY)
    return sums if np.abs(told - probability).max(initial=0.0) <= TOLERANCE else None


def _attribution(
    method: str, columns: Sequence[str], values: Array, base: Array, output: Array, scale: str, chosen: Chosen,
    notes: tuple[str, ...], details: dict[str, Any],
) -> Attribution:  # fmt: skip
    """One base for all rows where they share it; else the bases by row go into the details."""
    import numpy as np

    same = float(base[0]) if len(base) and np.ptp(base) <= 1e-9 * max(1.0, abs(float(base[0]))) else None
    if len(base) and same is None:
        details["bases"] = base.tolist()
    if chosen.labels:
        details["labels"] = list(chosen.labels)
    return Attribution(
        method=method, columns=tuple(columns), values=values, base=same, output=output, scale=scale,
        label=chosen.label, details=details, notes=notes,
    )  # fmt: skip


COMPONENT = explain
