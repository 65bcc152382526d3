"""Importance of a column to the whole model: what is lost without its information."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from treadle.core import registry
from treadle.core.errors import TreadleError
from treadle.core.options import Doc, Range
from treadle.core.types import Attribution, ExplainerTags, Outcomes
from treadle.explain._swap import CELLS, Swap, native_importance, output_change, sample, top_columns
from treadle.explain._tags import tagged

if TYPE_CHECKING:
    import polars as pl

    from treadle.core.predictor import Predictor
    from treadle.core.types import Array


@tagged(ExplainerTags(rows=False))
def explain(
    predictor: Predictor,
    frame: pl.DataFrame,
    background: pl.DataFrame,
    *,
    metric: Annotated[str | None, Doc("whose loss is measured; default: how far the output moves")] = None,
    how: Annotated[
        Literal["permutation", "native"], Doc("permutation: shuffle a column; native: the model's own weights")
    ] = "permutation",
    repeats: Annotated[int, Range(2, 1000, tuned=False), Doc("shuffles of each column")] = 5,
    rows: Annotated[int, Range(1, 10_000_000, tuned=False), Doc("rows used at most")] = 1000,
    columns: Annotated[int, Range(1, 10_000, tuned=False), Doc("columns looked at; the most important ones")] = 50,
    seed: Annotated[int, Range(0, None, tuned=False), Doc("for the shuffles")] = 0,
) -> Attribution:
    """One value a column, with a 95 % interval over the shuffles (Student's t).

    Breiman 2001; Fisher, Rudin and Dominici 2019. With a metric, a column is shuffled among the rows of ``frame`` and
    the value is what the metric loses, so more is always more important. Without one it is the mean absolute change of
    the output when the column's value is taken from a background row; no labels are needed for that.

    Args:
        predictor: fitted.
        frame: the rows; with the target where the metric needs it.
        background: typical rows, such as a sample of the training rows.

    Returns:
        values, low and high of shape (columns,); ``base`` is the metric on the rows as they are.
    """
    if how == "native":
        return _native(predictor, frame, background)
    used = sample(frame, rows, seed)
    tags = registry.load("metrics", metric, where="metric").tags if metric else None
    if tags is not None and used.height < 2:
        raise TreadleError(
            f"there are {used.height} rows to shuffle", expected="two rows at least", remedy="leave out the metric"
        )
    swap = Swap(predictor, used, background.head(0) if metric else sample(background, rows, seed),
                target=bool(tags and tags.truth))  # fmt: skip
    kept = top_columns(swap, columns, seed)
    notes = []
    if len(kept) < len(swap.columns):
        notes.append(f"Only the {len(kept):,} most important of {len(swap.columns):,} columns were looked at.")
    if used.height < frame.height:
        notes.append(f"Measured on {used.height:,} of {frame.height:,} rows.")
    base = None
    if metric:
        base, losses = _losses(swap, metric, kept, repeats, seed)
    else:
        import numpy as np

        losses = output_change(swap, np.asarray(kept), rows=rows, repeats=repeats, seed=seed)
    values, low, high = _interval(losses)
    return Attribution(
        method="importance", columns=tuple(swap.columns[position] for position in kept), values=values, base=base,
        scale=metric or swap.scale, low=low, high=high, details={"how": how, "repeats": repeats, "rows": used.height},
        notes=tuple(notes),
    )  # fmt: skip


def _losses(swap: Swap, metric: str, kept: list[int], repeats: int, seed: int) -> tuple[float, Array]:
    """The metric on the rows as they are, and what it loses by each shuffle: (repeats, columns).

    Shuffled copies of the rows are stacked and predicted together, as many as fit the bound on memory."""
    import numpy as np

    rng = np.random.default_rng(seed)
    plain = swap.plain(np.arange(swap.rows))
    sign = 1.0 if registry.load("metrics", metric).tags.greater_is_better else -1.0
    base = _value(swap, _joined(list(swap.predict(plain))), metric)
    jobs = [(repeat, place) for repeat in range(repeats) for place in range(len(kept))]
    shuffles = [rng.permutation(swap.rows) for _ in range(repeats)]
    found = np.zeros((repeats, len(kept)))
    group = max(1, CELLS // (swap.width * swap.rows))
    for start in range(0, len(jobs), group):
        part = jobs[start : start + group]
        index = np.repeat(plain[None], len(part), axis=0)
        for position, (repeat, place) in enumerate(part):
            index[position, :, kept[place]] = shuffles[repeat]
        outcomes = _joined(list(swap.predict(index.reshape(-1, len(swap.columns)))))
        for position, (repeat, place) in enumerate(part):
            rows = np.arange(position * swap.rows, (position + 1) * swap.rows)
            found[repeat, place] = sign * (base - _value(swap, outcomes.take(rows), metric))
    return base, np.nan_to_num(found)


def _value(swap: Swap, outcomes: Outcomes, metric: str) -> float:
    from dataclasses import replace

    instance = registry.load("metrics", metric)()
    instance.update(replace(outcomes, truth=swap.truth))
    return float(instance.value())


def _joined(pieces: list[Outcomes]) -> Outcomes:
    """Outcomes of several calls as one."""
    from dataclasses import replace

    import numpy as np

    if len(pieces) == 1:
        return pieces[0]
    first = pieces[0]

    def join(name: str) -> Array | None:
        parts = [getattr(piece, name) for piece in pieces]
        return None if parts[0] is None else np.concatenate(parts)

    return replace(
        first, prediction=np.concatenate([piece.prediction for piece in pieces]), probability=join("probability"),
        low=join("low"), high=join("high"),
        extra={key: np.concatenate([piece.extra[key] for piece in pieces]) for key in first.extra},
    )  # fmt: skip


def _interval(losses: Array) -> tuple[Array, Array, Array]:
    """Mean over the shuffles, and its 95 % interval."""
    import numpy as np
    from scipy.special import stdtrit

    repeats = len(losses)
    values = losses.mean(axis=0)
    reach = stdtrit(repeats - 1, 0.975) * losses.std(axis=0, ddof=1) / np.sqrt(repeats)
    return values, values - reach, values + reach


def _native(predictor: Predictor, frame: pl.DataFrame, background: pl.DataFrame) -> Attribution:
    swap = Swap(predictor, frame.head(1), background.head(1))
    values = native_importance(swap)
    if values is None:
        raise TreadleError(
            f"{predictor.model_name} has no importance of its own", where="how", remedy="say `how=permutation`"
        )
    return Attribution(
        method="importance", columns=swap.columns, values=values, scale="share of the model's own importance",
        details={"how": "native"},
    )  # fmt: skip


COMPONENT = explain
